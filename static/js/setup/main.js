/* The link to the first steps: its code stands after the #, where no server and no log sees it, and goes into the form. */

import { find } from "../shared/dom.js";

const code = location.hash.slice(1);
const form = document.querySelector("[data-setup-form]");
if (code && form) {
  find(form, "input[name=token]", HTMLInputElement).value = code;
  // Neither the history nor a picture of the window keeps it.
  history.replaceState(history.state, "", location.pathname);
  find(form, "button").focus();
}

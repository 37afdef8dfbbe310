import assert from "node:assert/strict";
import { test } from "node:test";
import { page } from "./browser.js";

const { closest, find, findAll } = await import("../../static/js/shared/dom.js");
const { store, stored } = await import("../../static/js/shared/storage.js");

test("an element that is missing, or of another kind, is an error that names the selector", () => {
  const root = page('<p class="a"></p>');
  assert.equal(find(root, ".a"), root.firstElementChild);
  assert.throws(() => find(root, ".b"), /\.b/);
  assert.throws(() => find(root, ".a", HTMLInputElement), TypeError);
});

test("every match comes in the order of the page", () => {
  const root = page('<i id="1"></i><b><i id="2"></i></b>');
  assert.deepEqual(
    findAll(root, "i").map((each) => each.id),
    ["1", "2"],
  );
});

test("an event finds the element around its target, and none where it happened on no element", () => {
  const root = page("<button data-x><span></span></button>");
  let found;
  document.addEventListener("ping", (event) => {
    found = closest(event, "[data-x]");
  });
  root.querySelector("span").dispatchEvent(new CustomEvent("ping", { bubbles: true }));
  assert.equal(found, root.querySelector("button"));
  document.dispatchEvent(new CustomEvent("ping"));
  assert.equal(found, null);
});

test("what is stored comes back", () => {
  store(localStorage, "key", { a: [1, null] });
  assert.deepEqual(stored(localStorage, "key"), { a: [1, null] });
});

test("storage that is broken, empty or refused is an empty object, and no error", () => {
  localStorage.setItem("key", "{half");
  assert.deepEqual(stored(localStorage, "key"), {});
  assert.deepEqual(stored(localStorage, "none"), {});
  const refused = {
    getItem() {
      throw new Error("no");
    },
    setItem() {
      throw new Error("no");
    },
  };
  assert.deepEqual(stored(refused, "key"), {});
  store(refused, "key", 1);
});

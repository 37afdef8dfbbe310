import assert from "node:assert/strict";
import { test } from "node:test";
import { define } from "./browser.js";

const english = await import("../../static/js/shared/i18n.js");

define("django", {
  gettext: (message) => ({ Play: "Abspielen" })[message] ?? message,
  ngettext: (singular, plural, n) => (n === 1 ? `de ${singular}` : `de ${plural}`),
  pgettext: (context, message) => `${context}|${message}`,
});
const german = await import("../../static/js/shared/i18n.js?german");

test("without a catalogue a message is its own words", () => {
  assert.equal(english.gettext("Play"), "Play");
  assert.equal(english.pgettext("verb", "Play"), "Play");
});

test("without a catalogue English has two forms, and zero takes the second", () => {
  assert.deepEqual(
    [0, 1, 2].map((n) => english.ngettext("song", "songs", n)),
    ["songs", "song", "songs"],
  );
});

test("a catalogue that was loaded is asked", () => {
  assert.equal(german.gettext("Play"), "Abspielen");
  assert.equal(german.ngettext("song", "songs", 2), "de songs");
  assert.equal(german.pgettext("verb", "Play"), "verb|Play");
});

test("named places are filled wherever they stand, also twice", () => {
  assert.equal(english.interpolate("%(b)s %(a)s %(b)s", { a: 1, b: "two" }, true), "two 1 two");
});

test("places without a name are filled in order", () => {
  assert.equal(english.interpolate("%s of %s", [3, 7]), "3 of 7");
});

test("two percent signs are one, and a filled value is not read again", () => {
  assert.equal(
    english.interpolate("%(n)s %% of %(what)s", { n: 50, what: "100 %% %(n)s" }, true),
    "50 % of 100 %% %(n)s",
  );
});

test("the page's language is the one of its root element", () => {
  document.documentElement.lang = "";
  assert.equal(english.language(), "en");
  document.documentElement.lang = "de";
  assert.equal(english.language(), "de");
});

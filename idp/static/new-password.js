// Tells, while a new password is typed, which of the simple rules it meets. The server judges them again, and
// more; without this script the list stays readable. Nothing leaves the browser.
const SAID_AFTER_MS = 1_000;
const TEMPORARY_SHAPE = /^[ABCDEFGHJKMNPQRSTUVWXYZ23456789]{12}$/;

// Separators and case hide nothing: « 12 34 567 » is the number 1234567.
const compact = (text) => text.normalize("NFKC").replace(/[^\p{L}\p{N}]/gu, "").toUpperCase();

const RULES = {
  length: (typed, { minimum, maximum }) => {
    const count = [...typed.normalize("NFC")].length;
    return count >= Number(minimum) && count <= Number(maximum);
  },
  // The page does not hold the number: seven digits or more with its end are taken for it.
  number: (typed, { numberEnd }) => !numberEnd || !new RegExp(`[0-9]{5}${numberEnd}`).test(compact(typed)),
  temporary: (typed) => !TEMPORARY_SHAPE.test(compact(typed)),
};

for (const block of document.querySelectorAll("[data-new-password]")) {
  const field = document.getElementById(block.dataset.newPassword);
  const said = block.querySelector("[data-rules-said]");
  const rules = [...block.querySelectorAll("[data-rule]")].filter((rule) => rule.dataset.rule in RULES);
  let resting;

  const mark = (rule) => {
    const met = RULES[rule.dataset.rule](field.value, rule.dataset);
    const shown = field.value !== "";
    rule.toggleAttribute("data-met", shown && met);
    rule.querySelector("[data-rule-met]").hidden = !(shown && met);
    rule.querySelector("[data-rule-state]").textContent = shown ? ` (${met ? block.dataset.saidMet : block.dataset.saidUnmet})` : "";
    return met;
  };

  const look = () => {
    const left = rules.filter((rule) => !mark(rule)).length;
    // Announced when the typing rests, not at each key.
    clearTimeout(resting);
    resting = setTimeout(() => {
      if (field.value === "") said.textContent = "";
      else if (left === 0) said.textContent = block.dataset.saidAll;
      else said.textContent = left === 1 ? block.dataset.saidOne : block.dataset.saidMany.replace("#", left);
    }, SAID_AFTER_MS);
  };

  // Beside an error the list is not part of the description yet.
  const described = new Set((field.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  field.setAttribute("aria-describedby", [...described.add(block.dataset.rules)].join(" "));
  field.addEventListener("input", look);
  window.addEventListener("pageshow", look);
}

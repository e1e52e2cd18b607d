// A second press of a button while the first is on its way would send the form twice.
// The button is not disabled: its name and value must travel with the form, and it keeps the focus.
const AGAIN_AFTER_MS = 10_000;

for (const form of document.querySelectorAll("form[data-one-submit]")) {
  const release = () => form.removeAttribute("data-sent");

  form.addEventListener("submit", (event) => {
    if (form.hasAttribute("data-sent")) {
      event.preventDefault();
      return;
    }
    form.setAttribute("data-sent", "");
    // The person may have pressed « stop », or the network may be gone.
    setTimeout(release, AGAIN_AFTER_MS);
  });
  // The page came back from the browser's history.
  window.addEventListener("pageshow", release);
}

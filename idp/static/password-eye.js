// Shows and hides what is typed in a password field. Without this script the button stays hidden.
for (const eye of document.querySelectorAll("[data-password-eye]")) {
  const field = document.getElementById(eye.getAttribute("aria-controls"));

  const show = (shown) => {
    field.type = shown ? "text" : "password";
    eye.setAttribute("aria-pressed", String(shown));
  };

  eye.addEventListener("click", () => show(field.type === "password"));
  // A password sent in clear type would be offered again among the suggestions of text fields.
  field.form.addEventListener("submit", () => show(false));
  window.addEventListener("pageshow", () => show(false));
  eye.hidden = false;
}

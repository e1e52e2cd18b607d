// The anti-robot of a form: fetches ALTCHA's widget when the form is touched, starts it, tells how it goes, and keeps the
// form usable when it cannot work.
const ARRIVES_WITHIN_MS = 10_000;
const inTime = (what) => Promise.race([what, new Promise((_, late) => setTimeout(late, ARRIVES_WITHIN_MS))]);
const canWork = () => window.isSecureContext && window.crypto?.subtle && window.Worker && window.customElements;

for (const part of document.querySelectorAll("[data-anti-robot]")) {
  // What is said stands in the page, in its language.
  const said = (state) => part.dataset[`said${state[0].toUpperCase()}${state.slice(1)}`];
  // The box keeps its name: what happens is told beside it, in the status.
  const label = part.dataset.label;
  const widget = part.querySelector("altcha-widget");
  const place = part.querySelector("[data-anti-robot-place]");
  const question = part.querySelector("[data-anti-robot-question]");
  const status = part.querySelector("[data-anti-robot-status]");
  const form = part.closest("form");
  const lifetime = Number(part.dataset.lifetime) * 1000;
  let made = Date.now();
  let loading = null;
  let solving = null;
  let goesThrough = false;

  // The widget has its methods once it is there.
  const stateOf = () => (place.isConnected ? "" : widget.getState());

  const show = (way) => {
    part.dataset.way = way;
    place.hidden = way !== "work";
    widget.hidden = way !== "work" || place.isConnected;
    for (const field of question.querySelectorAll("input")) {
      field.disabled = way === "work";
    }
  };

  // The question takes the place of the widget, for good, and the focus with it.
  const ask = () => {
    const focused = place.contains(document.activeElement) || widget.contains(document.activeElement);
    show("question");
    status.textContent = said("failed");
    if (focused) {
      question.querySelector("input:not([type=hidden])").focus();
    }
  };

  // By the time that passed here: a machine whose clock is wrong still measures five minutes.
  const isOld = () => Date.now() - made >= lifetime;

  const tellIfOld = () => {
    if (stateOf() && part.dataset.way === "work" && isOld() && !solving) {
      widget.reset();
      status.textContent = said("old");
    }
  };

  // The same page, asked for anew, brings another challenge; nothing that was typed is touched.
  const renew = async () => {
    const text = await inTime(fetch(part.dataset.again, { cache: "no-store" }).then((answer) => answer.text()));
    const page = new DOMParser().parseFromString(text, "text/html");
    const challenge = page.querySelector("[data-anti-robot] altcha-widget")?.getAttribute("challenge");
    if (!challenge) {
      throw new Error("no challenge on the page");
    }
    widget.setAttribute("challenge", challenge);
    widget.configure({ challenge });
    const questionOf = (where) => where.querySelector("[data-anti-robot-question]");
    question.querySelector("label").textContent = questionOf(page).querySelector("label").textContent;
    question.querySelector("input[type=hidden]").value = questionOf(page).querySelector("input[type=hidden]").value;
    made = Date.now();
    setTimeout(tellIfOld, lifetime);
  };

  const ended = () =>
    new Promise((resolve) => {
      const look = (event) => {
        if (event.detail.state !== "verifying") {
          widget.removeEventListener("statechange", look);
          resolve();
        }
      };
      widget.addEventListener("statechange", look);
    });

  // The widget takes the place kept for it, and the focus with it.
  const fetched = async () => {
    const drawn = new Promise((resolve) => widget.addEventListener("load", resolve, { once: true }));
    // The worker is started from the browser's cache: one that never came would be waited for without an end.
    const worker = fetch(part.dataset.worker).then((answer) => (answer.ok ? answer.blob() : Promise.reject()));
    await Promise.all([import(part.dataset.widget), worker]);
    if (part.dataset.words) {
      await import(part.dataset.words);
    }
    await drawn;
    if (part.dataset.way !== "work") {
      return; // too late
    }
    const language = widget.getAttribute("language");
    $altcha.i18n.set(language, { ...$altcha.i18n.get(language), label, verifying: label, verified: label });
    $altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(part.dataset.worker));
    const focused = place.contains(document.activeElement);
    place.remove();
    widget.hidden = false;
    if (focused) {
      widget.querySelector("input[type=checkbox]").focus();
    }
  };

  const load = () => {
    if (!loading) {
      status.textContent = said("verifying");
      loading = inTime(fetched()).catch(ask);
    }
    return loading;
  };

  const solve = async () => {
    await load();
    if (part.dataset.way !== "work") {
      return;
    }
    if (isOld()) {
      await renew();
    }
    if (stateOf() === "verifying") {
      await ended();
    } else if (stateOf() !== "verified") {
      await widget.verify();
    }
  };

  const solveOnce = () => {
    solving ??= solve().finally(() => {
      solving = null;
    });
    return solving;
  };

  const send = (button) => {
    goesThrough = true;
    if (form.requestSubmit) {
      form.requestSubmit(button);
    } else if (button) {
      button.click();
    } else {
      form.submit();
    }
    goesThrough = false;
  };

  if (!canWork()) {
    show("question");
    continue;
  }

  widget.addEventListener("statechange", (event) => {
    const { state } = event.detail;
    if (state === "error") {
      ask();
    } else if (said(state)) {
      status.textContent = said(state);
    }
  });

  const touched = (event) => {
    // What the status says may move what stands below it: a button must not slip away from under the press that
    // gave it the focus. The form is solved when it is sent, then.
    const below = part.compareDocumentPosition(event.target) & Node.DOCUMENT_POSITION_FOLLOWING;
    const inside = part.contains(event.target);
    if (part.dataset.way === "work" && stateOf() !== "verified" && (inside || !below)) {
      solveOnce().then(tellIfOld, tellIfOld);
    }
  };
  form.addEventListener("focusin", touched);
  form.addEventListener("input", touched, { once: true }); // a field that had the focus before this script came
  place.addEventListener("click", (event) => {
    event.preventDefault(); // the box that is ticked is the widget's
    place.querySelector("input").focus();
    touched(event);
  });

  // In front of every other listener: the form is not on its way before its proof is there.
  document.addEventListener(
    "submit",
    (event) => {
      const ready = stateOf() === "verified" && !isOld();
      if (event.target !== form || goesThrough || part.dataset.way !== "work" || ready) {
        return;
      }
      event.preventDefault();
      event.stopImmediatePropagation();
      const button = event.submitter;
      solveOnce().then(
        () => {
          if (stateOf() === "verified") {
            send(button);
          } else {
            question.querySelector("input:not([type=hidden])").focus();
          }
        },
        () => send(button), // no new challenge: the service answers with the page again
      );
    },
    true,
  );

  setTimeout(tellIfOld, lifetime);
  document.addEventListener("visibilitychange", tellIfOld);
  // Brought back from the browser's history: its proof was sent once already.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      made = 0;
      status.textContent = "";
    }
  });
  show("work");
}

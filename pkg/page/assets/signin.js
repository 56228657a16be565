// Ceremonies with a passkey (WebAuthn), one for each <form data-passkey="get|create" data-options="/address">: the options come
// from that address, for the form as it is filled in, and the browser's response goes into its field "passkey" before the form
// is posted. data-auto begins at once; data-busy and data-failed are what the form's output element says meanwhile.
//
// A <dialog data-lock="/address"> covers the page at F9, when that address has locked the session. Its form is posted without
// leaving the page, so that what was typed stays; an answer 204 uncovers it, any other leads to the start page.
"use strict";
{
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const described = (list) => (list ?? []).map((key) => ({ ...key, id: bytes(key.id) }));

  const asked = (options) => {
    const key = { ...options.publicKey, challenge: bytes(options.publicKey.challenge) };
    if (key.user) key.user = { ...key.user, id: bytes(key.user.id) };
    if (key.allowCredentials) key.allowCredentials = described(key.allowCredentials);
    if (key.excludeCredentials) key.excludeCredentials = described(key.excludeCredentials);
    return { publicKey: key };
  };

  const told = (made) => {
    const response = { clientDataJSON: text(made.response.clientDataJSON) };
    for (const field of ["authenticatorData", "signature", "attestationObject"]) {
      if (made.response[field] instanceof ArrayBuffer) response[field] = text(made.response[field]);
    }
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
  };

  const ceremony = async (form) => {
    const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.redirected || !answer.ok) throw new Error(answer.redirected ? "" : await answer.text());
    const options = asked(await answer.json());
    form.elements.passkey.value = told(await navigator.credentials[form.dataset.passkey](options));
  };

  const lock = document.querySelector("dialog[data-lock]");

  const unlock = async (form) => {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (answer.status === 204) lock.close();
    else if (answer.ok) location.assign("/");
    else throw new Error(await answer.text());
  };

  const run = async (form) => {
    const say = form.querySelector("output");
    const buttons = form.querySelectorAll("button");
    say.textContent = form.dataset.busy;
    buttons.forEach((button) => { button.disabled = true; });
    try {
      await ceremony(form);
      if (!lock?.contains(form)) {
        form.submit();
        return;
      }
      await unlock(form);
      say.textContent = "";
    } catch (error) {
      // A browser's own errors are in its language and name nothing that helps; the server's are for the reader.
      say.textContent = error.constructor === Error && error.message || form.dataset.failed;
    }
    form.elements.passkey.value = "";
    buttons.forEach((button) => { button.disabled = false; });
    buttons[0]?.focus();
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => { event.preventDefault(); run(form); });
    if ("auto" in form.dataset) run(form);
  }

  if (lock) {
    lock.addEventListener("cancel", (event) => event.preventDefault());
    document.addEventListener("keydown", async (event) => {
      if (event.key !== "F9") return;
      event.preventDefault();
      if (lock.open) return;
      lock.showModal();
      const answer = await fetch(lock.dataset.lock, { method: "POST" }).catch(() => undefined);
      if (!answer?.ok) location.assign("/");
    });
  }
}

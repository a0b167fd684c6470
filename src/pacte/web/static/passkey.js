/* A form with `data-passkey` ("make" or "prove") asks the device when it is sent, puts the answer into the field `answer`,
   and goes on. Without this script, or without passkeys in the browser, the form stays hidden: the page has other ways. */
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const listed = (some) => (some || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const make = async (asked) => {
    const user = { ...asked.user, id: bytes(asked.user.id) };
    const found = await navigator.credentials.create({
      publicKey: { ...asked, user, challenge: bytes(asked.challenge), excludeCredentials: listed(asked.excludeCredentials) },
    });
    const said = found.response;
    return { found, response: { attestationObject: text(said.attestationObject), transports: said.getTransports?.() || [] } };
  };
  const prove = async (asked) => {
    const found = await navigator.credentials.get({
      publicKey: { ...asked, challenge: bytes(asked.challenge), allowCredentials: listed(asked.allowCredentials) },
    });
    const said = found.response;
    const response = { authenticatorData: text(said.authenticatorData), signature: text(said.signature) };
    if (said.userHandle) response.userHandle = text(said.userHandle);
    return { found, response };
  };

  const ask = async (form) => {
    const { found, response } = await { make, prove }[form.dataset.passkey](JSON.parse(form.dataset.options));
    response.clientDataJSON = text(found.response.clientDataJSON);
    const { id, type } = found;
    form.elements.answer.value = JSON.stringify({ id, rawId: id, type, response, clientExtensionResults: {} });
    form.submit();
  };

  if (!window.PublicKeyCredential) return;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const said = form.querySelector("[role=status]");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      said.textContent = "";
      ask(form).catch(() => { said.textContent = form.dataset.failed; });
    });
  }
})();

/* Passkeys: asks the browser for one (WebAuthn) and sends what it answers with the page's form.

   The form names what is asked (`data-passkey`: "create" or "get") and with which options. What did not work is told by
   one of the paragraphs that stand in the form, hidden until then; the one that asks for JavaScript is hidden by this. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-passkey]");
  if (!form) return;
  var button = form.querySelector("button[data-ask]"), busy = false;
  var creates = form.getAttribute("data-passkey") === "create", party = form.getAttribute("data-party");

  function tell(what) {
    var each = form.querySelectorAll("[data-trouble]"), i, told;
    for (i = 0; i < each.length; i += 1) {
      told = each[i].getAttribute("data-trouble") === what;
      each[i].hidden = !told;
      if (told) each[i].focus();
    }
  }

  function bytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/")), read = new Uint8Array(plain.length), i;
    for (i = 0; i < plain.length; i += 1) read[i] = plain.charCodeAt(i);
    return read;
  }

  function written(buffer) {
    var read = new Uint8Array(buffer), plain = "", i;
    for (i = 0; i < read.length; i += 1) plain += String.fromCharCode(read[i]);
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function named(each) {
    each.id = bytes(each.id);
    return each;
  }

  function options() {
    var asked = JSON.parse(form.getAttribute("data-options"));
    asked.challenge = bytes(asked.challenge);
    if (asked.user) named(asked.user);
    (asked.excludeCredentials || []).forEach(named);
    (asked.allowCredentials || []).forEach(named);
    return { publicKey: asked };
  }

  function answer(made) {
    var response = {}, names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
    names.forEach(function (name) {
      if (made.response[name]) response[name] = written(made.response[name]);
    });
    return JSON.stringify({
      id: made.id,
      rawId: written(made.rawId),
      type: made.type,
      response: response,
      clientExtensionResults: {}
    });
  }

  function failed(error) {
    var troubles = { NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "exists", SecurityError: "elsewhere" };
    busy = false;
    button.disabled = false;
    tell(troubles[error && error.name] || "failed");
  }

  function ask(event) {
    if (event.submitter && !event.submitter.hasAttribute("data-ask")) return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    button.disabled = true;
    tell("");
    var asking;
    try {
      asking = creates ? navigator.credentials.create(options()) : navigator.credentials.get(options());
    } catch (error) {
      failed(error);
      return;
    }
    asking.then(function (made) {
      form.elements.answer.value = answer(made);
      form.submit();
    }).then(null, failed);
  }

  if (location.hostname !== party) {
    tell("elsewhere");
  } else if (!window.PublicKeyCredential || !navigator.credentials) {
    tell("unsupported");
  } else {
    tell("");
    form.addEventListener("submit", ask);
    form.querySelector("[data-ready]").hidden = false;
  }
  window.addEventListener("pageshow", function (event) { // Back shows a page whose challenge is spent
    if (event.persisted) location.reload();
  });
}());

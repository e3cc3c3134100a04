/* The kiosk: a tablet that patients use one after another.

   Pages change in place, within one entry of the browser's history, so that Back and Forward never show anybody's page;
   what one patient chose and wrote is gone when the start screen comes, and it comes by itself when nobody touches the
   tablet (with a warning that can be put off as often as one likes: WCAG 2.2, 2.2.1). Where this script does not run,
   the same pages work as plain pages. */
(function () {
  "use strict";
  var COUNTDOWN = 30, PATIENCE = 20000;
  var own = document.querySelector("script[data-start]"), root = document.documentElement, body = document.body;
  if (!window.fetch || !window.DOMParser || !window.URL || !window.Promise || !body.closest) return;
  var start = new URL(own.getAttribute("data-start"), location.href), within = start.origin + start.pathname;
  var shown = settings(document, location.href); // the page on the screen
  var kept = null; // the form a patient left to read the notice or to see another page; its answers are still in it
  var blank = null; // the start screen, as text
  var turn = 0; // counts what was asked for: an answer that comes after its turn is thrown away
  var busy = false, pressed = null, deadline = 0, warning = null, before = null;

  function settings(page, url) {
    var script = page.querySelector("script[data-start]");
    return script && {
      url: url,
      title: page.title,
      lang: page.documentElement.lang,
      idle: Number(script.getAttribute("data-idle")),
      script: script.getAttribute("src"),
      warning: page.getElementById("warning"),
      trouble: page.getElementById("trouble")
    };
  }

  function lifted(from) {
    var nodes = document.createDocumentFragment();
    while (from.firstChild) nodes.appendChild(from.firstChild);
    return nodes;
  }

  function parsed(text) { // without the page's styles: the policy allows this page's own, and the browser would report others
    return new DOMParser().parseFromString(text.replace(/<style>[^]*?<\/style>/g, ""), "text/html");
  }

  function read(text, url) {
    var whole = parsed(text), page = settings(whole, url);
    if (page) page.nodes = lifted(whole.body);
    return page;
  }

  function show(page) {
    dismiss();
    body.textContent = "";
    body.appendChild(page.nodes);
    page.nodes = null;
    shown = page;
    document.title = page.title;
    root.lang = page.lang;
    rest();
    touched();
    window.scrollTo(0, 0);
    var place = document.getElementById("errors") || document.querySelector("h1");
    if (place) focus(place);
  }

  function focus(place) {
    if (place.tabIndex < 0) place.setAttribute("tabindex", "-1");
    place.focus();
  }

  function rest() {
    busy = false;
    body.classList.remove("busy");
  }

  function trouble(words) {
    rest();
    var old = document.querySelector("[data-trouble]"), main = document.querySelector("main");
    if (old) old.parentNode.removeChild(old);
    if (!main) return;
    var told = document.importNode(shown.trouble.content, true).firstElementChild;
    told.setAttribute("data-trouble", "");
    if (words) {
      told.textContent = "";
      told.lang = words.lang;
      words.said.forEach(function (each) {
        told.appendChild(document.createElement("p")).textContent = each;
      });
    }
    main.insertBefore(told, main.firstChild);
    window.scrollTo(0, 0);
    focus(told);
  }

  function explained(text) { // of a page that is not the kiosk's: one that is not there, or cannot be given now
    var whole = parsed(text), found = whole.querySelectorAll("main h1, main p");
    return found.length && {
      lang: whole.documentElement.lang,
      said: Array.prototype.map.call(found, function (each) { return each.textContent; })
    };
  }

  function go(url, sent) {
    var mine = ++turn, leaving = shown;
    busy = true;
    body.classList.add("busy");
    function failed(told) {
      if (mine !== turn) return;
      turn++;
      trouble(told);
    }
    window.setTimeout(failed, PATIENCE);
    window.fetch(url, sent || { cache: "no-store" }).then(function (answer) {
      return answer.text().then(function (text) {
        if (mine !== turn) return;
        var page = read(text, answer.url || url);
        if (!page) return failed(explained(text));
        turn++;
        dismiss();
        if (sent) kept = null;
        else if (document.querySelector("form")) {
          kept = leaving;
          kept.nodes = lifted(body);
        }
        show(page);
      });
    }).catch(function () { failed(); });
  }

  function clear() {
    turn++;
    kept = pressed = before = null;
    if (!blank) {
      body.textContent = "";
      location.replace(start.href);
      return;
    }
    show(read(blank, start.href));
    renew();
  }

  function renew() {
    var mine = turn;
    window.fetch(start.href, { cache: "no-store" }).then(function (answer) {
      return answer.text().then(function (text) {
        var page = answer.ok && read(text, start.href);
        if (!page) return;
        blank = text;
        if (mine === turn && !shown.idle && page.script !== own.getAttribute("src")) location.replace(start.href);
      });
    }).catch(function () {}); // without a connection the start screen stays as it is
  }

  function encoded(form, button) {
    var pairs = [], fields = form.elements, index, field;
    function add(each) {
      pairs.push(encodeURIComponent(each.name) + "=" + encodeURIComponent(each.value));
    }
    for (index = 0; index < fields.length; index++) {
      field = fields[index];
      if (!field.name || field.disabled || field.type === "submit") continue;
      if ((field.type === "radio" || field.type === "checkbox") && !field.checked) continue;
      add(field);
    }
    if (button && button.form === form && button.name) add(button);
    return pairs.join("&");
  }

  function followed(link) {
    var named = link.getAttribute("href");
    if (named.charAt(0) === "#") {
      var place = document.getElementById(named.slice(1));
      if (place) focus(place);
      return;
    }
    var url = new URL(named, shown.url);
    if (url.href === start.href) clear();
    else if (busy) return;
    else if (kept && kept.url.replace("&view=all", "") === url.href) {
      var page = kept;
      kept = null;
      turn++;
      show(page);
    } else if (url.href.slice(0, within.length) === within) go(url.href);
  }

  function touched() {
    if (!warning) deadline = Date.now() + shown.idle * 1000;
  }

  function tick() {
    if (!shown.idle) return;
    var left = Math.ceil((deadline - Date.now()) / 1000) + COUNTDOWN;
    if (left <= 0) clear();
    else if (left <= COUNTDOWN) warn(left);
  }

  function warn(left) {
    if (!warning) {
      before = document.activeElement;
      hide(true);
      warning = document.importNode(shown.warning.content, true).firstElementChild;
      body.appendChild(warning);
      warning.querySelector("[data-more]").focus();
    }
    warning.querySelector("[data-left]").textContent = left;
    var said = warning.querySelector("[data-said]");
    if (left % 10 === 0 || left === 5) said.textContent = said.getAttribute("data-said") + " " + left;
  }

  function hide(away) {
    var each = body.firstElementChild;
    for (; each; each = each.nextElementSibling) {
      if (away) {
        each.setAttribute("inert", "");
        each.setAttribute("aria-hidden", "true");
      } else {
        each.removeAttribute("inert");
        each.removeAttribute("aria-hidden");
      }
    }
  }

  function dismiss() {
    if (!warning) return;
    if (warning.parentNode) warning.parentNode.removeChild(warning);
    warning = null;
    hide(false);
    touched();
    if (before && before.focus && body.contains(before)) before.focus();
    before = null;
  }

  function wipe() {
    turn++;
    kept = null;
    body.textContent = "";
  }

  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[href]"), button = event.target.closest("button");
    pressed = button;
    if (warning) {
      if (button && button.hasAttribute("data-clear")) clear();
      else if (button || event.target === warning) dismiss();
      return;
    }
    if (link) {
      event.preventDefault();
      followed(link);
    }
  });

  document.addEventListener("submit", function (event) {
    var form = event.target, button = event.submitter || pressed;
    event.preventDefault();
    pressed = null;
    if (busy || warning) return;
    var action = button && button.getAttribute("formaction") || form.getAttribute("action");
    go(new URL(action, shown.url).href, {
      method: "POST",
      cache: "no-store",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: encoded(form, button)
    });
  });

  document.addEventListener("keydown", function (event) {
    if (!warning) return;
    if (event.key === "Escape" || event.key === "Esc") dismiss();
    if (event.key !== "Tab") return;
    var buttons = warning.querySelectorAll("button");
    event.preventDefault();
    buttons[document.activeElement === buttons[0] ? 1 : 0].focus();
  });

  ["pointerdown", "touchstart", "mousedown", "keydown", "input", "wheel"].forEach(function (kind) {
    document.addEventListener(kind, touched, true);
  });
  window.addEventListener("scroll", touched);
  document.addEventListener("visibilitychange", tick);
  window.addEventListener("pagehide", wipe);
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) clear();
  });
  window.setInterval(tick, 1000);
  if ("scrollRestoration" in history) history.scrollRestoration = "manual";
  history.replaceState(null, "", start.href);
  touched();
  renew();
})();

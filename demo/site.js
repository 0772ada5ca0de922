/*
 * What the bank's own pages do: sign in and out, and hand the signed-in customer's token to Talk Now.
 * A plain script without a build, as a company would write it.
 */
window.TalkNow =
  window.TalkNow ||
  function () {
    (TalkNow.q = TalkNow.q || []).push(arguments);
  };

(function () {
  "use strict";

  var KEY = "fjord:customer";
  var SOFT = "fjord:soft";
  var NAMES = { anna: "Anna Berg" };

  function customer() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function all(selector) {
    return Array.from(document.querySelectorAll(selector));
  }

  function show() {
    var user = customer();
    for (var part of all("[data-signed-in]")) part.hidden = !user;
    for (part of all("[data-signed-out]")) part.hidden = Boolean(user);
    for (part of all("[data-customer-name]")) part.textContent = NAMES[user] || "";
  }

  /* The bank's server knows from its own session who this is, and signs it for Talk Now. */
  async function handOver(user) {
    var answer = await fetch("/token?user=" + encodeURIComponent(user), { cache: "no-store" });
    if (!answer.ok) throw new Error("no token");
    TalkNow("boot", { token: (await answer.json()).token });
  }

  async function signIn(user) {
    for (var problem of all("[data-problem]")) problem.hidden = true;
    localStorage.setItem(KEY, user);
    show();
    try {
      await handOver(user);
    } catch {
      localStorage.removeItem(KEY);
      show();
      for (problem of all("[data-problem]")) problem.hidden = false;
    }
  }

  function signOut() {
    localStorage.removeItem(KEY);
    sessionStorage.removeItem("fjord:loan");
    TalkNow("shutdown");
    show();
  }

  /* What a page needs when it is there: after a load, and after Talk Now has swapped it in place. */
  function wire() {
    for (var button of all("[data-sign-in]")) {
      button.addEventListener("click", (event) => signIn(event.currentTarget.dataset.signIn));
    }
    for (button of all("[data-sign-out]")) button.addEventListener("click", signOut);
    for (button of all("[data-talknow]")) {
      button.addEventListener("click", (event) => TalkNow(event.currentTarget.dataset.talknow));
    }
    for (var choice of all("[data-soft]")) {
      choice.checked = soft();
      choice.addEventListener("change", (event) => chooseSoft(event.currentTarget.checked));
    }
    openAnswer();
    show();
  }

  /* The demo's switch for soft navigation: in the footer, or ?soft=on and ?soft=off. */
  function soft() {
    try {
      return localStorage.getItem(SOFT) === "on";
    } catch {
      return false;
    }
  }

  function chooseSoft(on) {
    localStorage.setItem(SOFT, on ? "on" : "off");
    TalkNow("update", { softNavigation: on });
  }

  /* A link such as help.html#card opens that answer. */
  function openAnswer() {
    var answer = location.hash && document.getElementById(location.hash.slice(1));
    if (answer instanceof HTMLDetailsElement) answer.open = true;
  }
  addEventListener("hashchange", openAnswer);
  document.addEventListener("talknow:navigated", wire);
  var asked = new URLSearchParams(location.search).get("soft");
  if (asked) localStorage.setItem(SOFT, asked);
  if (soft()) TalkNow("update", { softNavigation: true });
  wire();
  /* Without a token the customer is anonymous for this page: the page itself works on. */
  if (customer()) handOver(customer()).catch(() => undefined);
})();

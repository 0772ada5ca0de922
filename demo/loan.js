/* The loan form of three pages: values live in sessionStorage, each step is a page of its own. */
(function () {
  "use strict";

  var KEY = "fjord:loan";
  var RATE = 0.0419;
  var DEFAULTS = { amount: "240000", years: "25" };
  var euro = new Intl.NumberFormat("en", { style: "currency", currency: "EUR", maximumFractionDigits: 0 });

  function load() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY)) || {};
    } catch {
      return {};
    }
  }

  var values = Object.assign({}, DEFAULTS, load());

  /* The monthly rate of an annuity loan. */
  function monthly(amount, years) {
    var month = RATE / 12;
    return (amount * month) / (1 - Math.pow(1 + month, -12 * years));
  }

  function estimate() {
    var rate = document.querySelector("[data-monthly]");
    var terms = document.querySelector("[data-terms]");
    var amount = Number(values.amount);
    if (rate) rate.textContent = amount > 0 ? euro.format(monthly(amount, Number(values.years))) : "–";
    if (terms) terms.textContent = `${euro.format(amount)} over ${values.years} years at 4.19 %`;
  }

  function keep(form) {
    Object.assign(values, Object.fromEntries(new FormData(form)));
    sessionStorage.setItem(KEY, JSON.stringify(values));
    estimate();
  }

  function fill(form) {
    for (var field of form.elements) {
      if (!(field.name in values)) continue;
      if (field.type === "radio") field.checked = field.value === values[field.name];
      else field.value = values[field.name];
    }
  }

  function wire() {
    var step = document.querySelector("[data-loan-step]");
    if (step) {
      fill(step);
      keep(step);
      step.addEventListener("input", () => keep(step));
      step.addEventListener("submit", (event) => {
        event.preventDefault();
        keep(step);
        location.href = step.getAttribute("action");
      });
    }

    var review = document.querySelector("[data-loan-review]");
    if (review) {
      for (var cell of review.querySelectorAll("[data-value]")) {
        var value = values[cell.dataset.value];
        var money = ["amount", "income", "debts"].includes(cell.dataset.value);
        if (value) cell.textContent = money ? euro.format(Number(value)) : value;
      }
      review.addEventListener("submit", (event) => {
        event.preventDefault();
        review.querySelector("[data-sent]").hidden = false;
        review.querySelector("button[type=submit]").disabled = true;
        sessionStorage.removeItem(KEY);
      });
    }

    estimate();
  }

  document.addEventListener("talknow:navigated", wire);
  wire();
})();

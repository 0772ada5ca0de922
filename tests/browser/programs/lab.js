// The page that random programs change, from the beginning: #lab with one of everything.
() => {
  const lab =
    document.getElementById("lab") ??
    document.body.appendChild(Object.assign(document.createElement("main"), { id: "lab" }));
  window.kept = [];
  document.adoptedStyleSheets = [];
  for (const name of lab.getAttributeNames()) if (name !== "id") lab.removeAttribute(name);
  scrollTo(0, 0);
  lab.innerHTML = `
    <style>.c1 { color: rgb(10, 20, 30); } .c2 { margin: 2px; } @media (min-width: 1px) { .c3 { color: red; } }</style>
    <table><thead><tr><th>Name</th><th>Sum</th></tr></thead><tbody>
      ${[..."bdace"].map((name, at) => `<tr><td>${name}</td><td>${at}</td></tr>`).join("")}</tbody></table>
    <form data-talknow-show><input value="v1"><input type="checkbox"><input type="radio" name="r"><input type="radio" name="r" checked>
      <select><option>one</option><option>two</option><option>three</option></select>
      <select multiple><option>a</option><option>b</option></select><textarea>v2</textarea></form>
    <div><input value="qqqq1"><input type="checkbox" checked><textarea>qqqq2</textarea></div>
    <div class="scroller" style="height:60px;width:200px;overflow:auto"><div style="height:900px;width:900px">far</div></div>
    <details><summary>More</summary><p>inside</p></details><dialog>Asked</dialog><div popover>On top</div>
    <svg viewBox="0 0 40 40" width="40" height="40"><g><circle cx="9" cy="9" r="4" fill="red"></circle></g></svg>
    <iframe srcdoc="<p class=c1>inside a frame</p><div><b>x</b></div>"></iframe>`;
  const host = lab.appendChild(document.createElement("section"));
  host.attachShadow({ mode: "open" }).innerHTML =
    "<style>p { color: blue; }</style><p>in the shadow</p><slot></slot>";
  host.append("slotted");
};

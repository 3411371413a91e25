(() => {
  "use strict";
  const specifications = JSON.parse(document.getElementById("figure-data").textContent);
  const points = JSON.parse(document.getElementById("plane-data").textContent);
  const colourKeys = new Set(["color", "fillcolor", "bgcolor", "bordercolor", "gridcolor", "linecolor",
    "paper_bgcolor", "plot_bgcolor", "colorscale"]);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function resolve(role) {
    const [name, opacity] = role.slice(1).split("/");
    const value = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    if (!opacity) return value;
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
    return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
  }

  function themed(node, key) {
    if (Array.isArray(node)) return node.map((child) => themed(child, key));
    if (node && typeof node === "object") {
      return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, themed(child, name)]));
    }
    return typeof node === "string" && colourKeys.has(key) && node.startsWith("@") ? resolve(node) : node;
  }

  function draw() {
    const family = getComputedStyle(document.body).fontFamily;
    for (const [id, specification] of Object.entries(specifications)) {
      const target = document.getElementById(id);
      if (!target) continue;
      const layout = themed(specification.layout, null);
      layout.font.family = family;
      Plotly.react(target, themed(specification.data, null), layout,
        { responsive: true, displayModeBar: false, scrollZoom: false, doubleClick: false });
    }
  }

  function choose(index) {
    const point = points[index];
    const panel = document.getElementById("chosen");
    if (!point || !panel) return;
    const facts = document.createElement("p");
    facts.className = "soft";
    facts.textContent = point.facts;
    const quote = document.createElement("blockquote");
    quote.className = "prompt " + point.cell;
    quote.textContent = point.prompt;
    panel.replaceChildren(facts, quote);
  }

  for (const place of document.querySelectorAll(".plot .no-script")) place.remove();
  draw();
  dark.addEventListener("change", draw);
  for (const plane of document.querySelectorAll("[id^='figure-plane']")) {
    for (const event of ["plotly_hover", "plotly_click"]) {
      plane.on(event, (seen) => choose(seen.points[0].customdata));
    }
  }
  document.documentElement.dataset.drawn = "yes";
})();

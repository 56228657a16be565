// Draws every <div class="chart" data-table="ID"> from the table with that id: the first column names the categories,
// each column headed with data-series is a series; with data-lying the bars lie, so that long names have room. Without script, or without ECharts, the table stands alone and says the same.
"use strict";
for (const place of document.querySelectorAll(".chart[data-table]")) {
  const table = document.getElementById(place.dataset.table);
  if (!table || !window.echarts || table.tBodies[0].rows.length === 0 || table.tBodies[0].rows[0].cells.length < 2) {
    place.remove();
    continue;
  }
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const number = (cell) => Number(cell.textContent.replaceAll(",", ""));
  const series = heads.flatMap((head, i) => !("series" in head.dataset) ? [] : [{
    name: head.textContent.trim(), type: "bar", stack: "all", barMaxWidth: 64, data: rows.map((row) => number(row.cells[i])),
  }]);
  // A band is drawn from its low column up to its high one, with a line for the middle.
  const band = Object.fromEntries(heads.flatMap((head, i) => head.dataset.band ? [[head.dataset.band, { name: head.textContent.trim(), at: rows.map((row) => number(row.cells[i])) }]] : []));
  if (band.low && band.high) {
    const hidden = { type: "line", stack: "band", symbol: "none", lineStyle: { opacity: 0 }, silent: true, tooltip: { show: false } };
    series.push({ ...hidden, name: band.low.name, data: band.low.at });
    series.push({ ...hidden, name: `${band.low.name} – ${band.high.name}`, data: band.high.at.map((high, i) => high - band.low.at[i]), areaStyle: { opacity: .25 } });
    series.push({ name: band.middle.name, type: "line", data: band.middle.at, symbolSize: 6 });
  }
  const lying = "lying" in place.dataset;
  if (lying) place.style.height = `${Math.max(12, 5 + 2 * rows.length)}rem`;
  const names = {
    type: "category", data: rows.map((row) => row.cells[0].textContent.trim()), inverse: lying,
    axisLabel: lying ? { width: Math.min(360, place.clientWidth / 2), overflow: "truncate" } : {},
  };
  const amounts = { type: "value", minInterval: 1 };
  const motion = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const chart = window.echarts.init(place, null, { renderer: "canvas", locale: document.documentElement.lang === "en" ? "EN" : "JA" });
  chart.setOption({
    animation: motion && !("still" in place.dataset),
    aria: { enabled: true, decal: { show: true } },
    color: ["#0017c1", "#008299", "#c2410c", "#6a1b9a", "#626264"],
    grid: { left: 8, right: 8, bottom: 8, top: 48, containLabel: true },
    legend: { top: 0 },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    tooltip: { trigger: "axis", renderMode: "richText" },
    xAxis: lying ? amounts : names,
    yAxis: lying ? names : amounts,
    series,
  });
  // ECharts describes the drawing; the table's caption names it.
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", table.caption.textContent.trim());
  window.addEventListener("resize", () => chart.resize());
  place.dataset.drawn = String(series.length);
}

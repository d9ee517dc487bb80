// Charts: the data stands in the page, the colours come from its theme; drawn anew when either side changes.
(() => {
  const SHADES = { create: "#2ba36c", update: "#4d68ee", disable: "#e0a020", delete: "#9a5bd0", fail: "#d04b5d" };
  const locale = navigator.language.startsWith(document.documentElement.lang) ? navigator.language : document.documentElement.lang;
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
  const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });

  // A day is marked once, however wide the chart is.
  const DAYS = [1, 2, 5, 7, 14].map((each) => each * 86400);

  const draw = (holder) => {
    const data = JSON.parse(holder.dataset.chart);
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink-soft").trim();
    const line = style.getPropertyValue("--line").trim();
    const isBars = data.kind === "bars";
    // Bars stand on each other: each series is drawn as the sum of those up to it, the last one first.
    const sums = [];
    data.series.forEach((each, at) => sums.push(isBars ? each.values.map((value, i) => (at ? sums[at - 1][i] : 0) + value) : each.values));
    const order = isBars ? data.series.map((_, at) => data.series.length - 1 - at) : [0];
    const span = data.x.length > 1 ? data.x[data.x.length - 1] - data.x[0] : 0;
    const step = data.x.length > 1 ? data.x[1] - data.x[0] : 3600;
    const series = order.map((at) => ({
      label: data.series[at].label,
      stroke: SHADES[data.series[at].shade],
      fill: isBars ? SHADES[data.series[at].shade] : undefined,
      width: isBars ? 0 : 2,
      spanGaps: true,
      points: { show: !isBars, size: 5 },
      paths: isBars ? uPlot.paths.bars({ size: [0.7, 28], align: 1 }) : undefined,
      value: (_, __, ___, i) => i === null ? "–" : number.format(data.series[at].values[i] ?? 0),
    }));
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    holder.replaceChildren();
    const chart = new uPlot({
      width: holder.clientWidth,
      height: holder.classList.contains("chart-small") ? 170 : 250,
      legend: { live: true },
      cursor: { y: false },
      scales: { x: { time: true, range: [data.x[0], data.x[data.x.length - 1] + step] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      axes: [
        { ...axis, grid: { show: false }, space: 64, ...(span > 172800 ? { incrs: DAYS } : {}), values: (_, ticks) => ticks.map((at) => (span > 172800 ? day : hour).format(at * 1000)) },
        { ...axis, size: 44, values: (_, ticks) => ticks.map((each) => number.format(each)) },
      ],
      series: [{ value: (_, at) => (at === null ? "" : moment.format(at * 1000)), label: "" }, ...series],
    }, [data.x, ...order.map((at) => sums[at])], holder);
    // A bar or point leads to the log that it counts: the part of the bar that was hit, or the whole of a line's point.
    chart.over.addEventListener("click", () => {
      const { idx, top } = chart.cursor;
      if (idx == null) return;
      const height = chart.posToVal(top, "y");
      const at = isBars ? sums.findIndex((each) => height <= each[idx]) : 0;
      const to = at < 0 ? null : data.series[at].links[idx];
      if (to && data.series[at].values[idx]) location.assign(to);
    });
  };
  const all = () => { for (const holder of document.querySelectorAll("[data-chart]")) draw(holder); };
  all();
  new MutationObserver(all).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; all(); } });
})();

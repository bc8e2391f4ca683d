"use strict";

// The chart of a pool: its holds by state, stacked; the most that were held at once in a bin;
// what the tracer counted; the capacity; and failures as bars at the foot.
page.occupancy = {
  start() {
    const { data, el, occupancy } = page;
    const root = page.byId("pools");
    if (!data.pools.length) {
      root.append(el("p", {}, "No pool was used."));
      return;
    }
    const several = new Set(data.pools.map((p) => `${p.host} ${p.netns}`)).size > 1;
    const columns = [{ name: "pool", kind: "text" }, { name: "most held", kind: "count" }, { name: "capacity", kind: "count" },
      { name: "share of it", kind: "share" }, { name: "lifetimes", kind: "count" }, { name: "failures", kind: "count" }];
    if (several) columns.splice(1, 0, { name: "namespace", kind: "text" });
    const rows = data.pools.map((p) => {
      const row = [p.name, p.most, p.usable ?? "unknown", p.usable ? p.most / p.usable : 0, p.holds, p.failed];
      if (several) row.splice(1, 0, `${p.host} ${p.netns}`);
      return row;
    });
    occupancy.box = el("div", { class: "chart", role: "img" });
    occupancy.note = el("p", { class: "told" });
    root.append(occupancy.box, occupancy.note,
      page.table({ caption: "Pools", columns, rows, more: data.pools_more, pick: occupancy.show }));
    occupancy.show(0);
    page.theme.listeners.push(() => occupancy.show(occupancy.shown));
    new ResizeObserver(() => occupancy.resize()).observe(occupancy.box);
  },

  resize() {
    const width = page.occupancy.box.clientWidth;
    if (page.occupancy.plot && width !== page.occupancy.plot.width) page.occupancy.plot.setSize({ width, height: 320 });
  },

  show(index) {
    const { data, occupancy, format } = page;
    const pool = data.pools[index];
    occupancy.shown = index;
    occupancy.plot?.destroy();
    const { series, values } = occupancy.series(pool);
    const ink = page.theme.css("--ink"), grid = page.theme.css("--line");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    const step = data.time.width;
    occupancy.plot = new uPlot({
      width: occupancy.box.clientWidth, height: 320, series, tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
      legend: { live: true }, cursor: { drag: { x: true, y: false } },
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max) * 1.06] }, f: { range: (_, __, max) => [0, Math.max(1, max) * 4] } },
      axes: [{ ...axis, values: (_, splits) => splits.map((s) => format.time(s * 1000, (splits[1] - splits[0]) * 1000)) },
        { ...axis, size: 64, values: (_, splits) => splits.map((n) => (Number.isInteger(n) ? format.count(n) : "")) }],
    }, values, occupancy.box);
    occupancy.box.setAttribute("aria-label", `${pool.name}: at most ${format.count(pool.most)} held`
      + (pool.usable ? ` of ${format.count(pool.usable)}` : "") + `, ${format.plural(pool.failed, "failure", "failures")}`);
    occupancy.note.textContent = `${pool.name}. States as at the end of each ${format.duration(step)}; drag to zoom, double click to go back.`;
  },

  // series lays the states on top of one another: drawn from the highest down, each to zero.
  series(pool) {
    const { data, format, theme } = page;
    const { origin, width, bins } = data.time;
    const series = [{ label: "UTC", value: (_, s) => (s == null ? "" : format.time(s * 1000, width)) }];
    const values = [Array.from({ length: bins }, (_, b) => (origin + b * width) / 1000)];
    const stacked = [];
    let below = new Array(bins).fill(0);
    data.state_names.forEach((name, state) => {
      const own = pool.states[state];
      if (!own || !own.some((n) => n > 0)) return;
      const top = below.map((n, b) => n + own[b]);
      stacked.unshift({ name, own, top, colour: theme.states[state] });
      below = top;
    });
    for (const layer of stacked) {
      series.push({ label: layer.name, stroke: layer.colour, fill: layer.colour, width: 0, points: { show: false },
        value: (_, __, ___, b) => (b == null ? "" : format.count(layer.own[b])) });
      values.push(layer.top);
    }
    const number = (_, n) => (n == null ? "" : format.count(n));
    series.push({ label: "most held", stroke: theme.css("--ink"), width: 1.5, points: { show: false }, value: number });
    values.push(pool.held);
    if (pool.in_use) {
      series.push({ label: "in use, as traced", stroke: theme.css("--ink"), paths: () => null, points: { show: true, size: 5, fill: theme.css("--panel") }, value: number });
      values.push(pool.in_use);
    }
    if (pool.capacity.some((n) => n !== null)) {
      series.push({ label: "capacity", stroke: theme.css("--alarm"), width: 2, dash: [8, 5], points: { show: false }, value: number });
      values.push(pool.capacity);
    }
    if (pool.failures.length) {
      const failures = new Array(bins).fill(null);
      for (const [bin, n] of pool.failures) failures[bin] = n;
      series.push({ label: "failures", scale: "f", stroke: theme.css("--alarm"), fill: theme.css("--alarm"), width: 0,
        paths: uPlot.paths.bars({ size: [1, 40, 2] }), points: { show: false }, value: number });
      values.push(failures);
    }
    return { series, values };
  },
};

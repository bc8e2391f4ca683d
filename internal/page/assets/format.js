"use strict";

page.format = {
  count: (n) => n.toLocaleString("en"),

  plural: (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`,

  share: (x) => (x > 0 && x < 0.001 ? "<0.1 %" : (100 * x).toFixed(x < 0.1 && x > 0 ? 1 : 0) + " %"),

  // duration of milliseconds, as people say it.
  duration(ms) {
    if (ms <= 0) return "0";
    if (ms < 0.001) return Math.round(ms * 1e6) + " ns";
    if (ms < 1) return page.format.digits(ms * 1e3) + " µs";
    if (ms < 1000) return page.format.digits(ms) + " ms";
    const s = ms / 1000;
    if (s < 180) return (s < 100 ? s.toFixed(1) : Math.round(s)) + " s";
    if (s < 3600) return page.format.pair(s, 60, "min", 1, "s");
    if (s < 86400) return page.format.pair(s, 3600, "h", 60, "min");
    return page.format.pair(s, 86400, "d", 3600, "h");
  },

  digits: (x) => (x < 10 ? x.toFixed(1) : Math.round(x).toString()),

  pair(s, big, bigName, small, smallName) {
    const first = Math.floor(s / big), second = Math.floor((s % big) / small);
    return `${first.toLocaleString("en")} ${bigName}` + (second ? ` ${second} ${smallName}` : "");
  },

  // time of milliseconds since 1970, in UTC, as fine as the step between two asks for.
  time(ms, step = 1) {
    const text = new Date(ms).toISOString();
    return text.slice(11, step >= 60000 ? 16 : step >= 1000 ? 19 : 23);
  },

  date: (ms) => new Date(ms).toISOString().slice(0, 10),

  moment: (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ") + " UTC",

  // evidence goes by its name: a time, a share, or a number.
  evidence(name, value) {
    if (name.endsWith("_ns")) return page.format.duration(value / 1e6);
    if (name.endsWith("_percent")) return page.format.digits(value) + " %";
    return Number.isInteger(value) ? page.format.count(value) : value.toLocaleString("en", { maximumFractionDigits: 2 });
  },

  evidenceName: (name) => name.replace(/_(ns|percent)$/, "").replaceAll("_", " "),
};

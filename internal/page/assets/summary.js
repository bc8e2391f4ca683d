"use strict";

page.summary = {
  start() {
    const { data, format, summary } = page;
    const hosts = [...new Set(data.recordings.map((r) => r.host).filter(Boolean))];
    page.byId("subject").textContent = hosts.join(", ");
    if (hosts.length) document.title = `porttrace: ${hosts.join(", ")}`;
    page.byId("complete").append(summary.complete());
    summary.facts();
    summary.recordings();
    summary.findings();
    const version = data.version ? ` ${data.version}` : "";
    page.byId("footer").textContent = `Written by porttrace${version}. Times are UTC. `
      + `Time is shown in ${format.count(data.time.bins)} bins of ${format.duration(data.time.width)}.`;
  },

  // flaws says what a recording does not tell.
  flaws(r) {
    const { plural } = page.format;
    const flaws = [];
    if (r.lost) flaws.push(`${plural(r.lost, "event or record", "events and records")} lost`);
    if (r.missed) flaws.push(`${plural(r.missed, "hold was", "holds were")} missed by a hook and put right`);
    if (r.torn) flaws.push("its end is torn");
    else if (!r.ended) flaws.push("it has no end record: the tracer was killed, or a part is missing");
    if (r.absent) flaws.push(`${plural(r.absent, "part of it was", "parts of it were")} not read`);
    if (!flaws.length && !r.complete) flaws.push("it says itself that it is not complete");
    return flaws;
  },

  complete() {
    const { data, el, summary } = page;
    const flawed = data.recordings.filter((r) => summary.flaws(r).length);
    const filters = [...new Set(data.recordings.map((r) => r.filter).filter(Boolean))];
    const lines = [];
    if (!data.recordings.length) lines.push("There is nothing in this recording.");
    else if (!flawed.length) lines.push(data.recordings.length === 1
      ? "The recording is complete: nothing was lost."
      : `All ${data.recordings.length} recordings are complete: nothing was lost.`);
    for (const r of flawed.slice(0, 10)) {
      lines.push(`The recording${data.recordings.length > 1 ? ` of ${r.host} from ${page.format.moment(r.from)}` : ""} is not complete: ${summary.flaws(r).join("; ")}.`);
    }
    if (flawed.length > 10) lines.push(`${flawed.length - 10} more are not complete, either.`);
    for (const r of data.recordings) for (const step of r.steps.slice(0, 10)) {
      lines.push(`The clock of ${r.host} was set ${step.by < 0 ? "back" : "forward"} by ${page.format.duration(Math.abs(step.by))} at ${page.format.moment(step.at)}: times here are by the one before.`);
    }
    for (const filter of filters) lines.push(`It was traced with a filter, and shows no other holds: ${filter}`);
    if (data.filter) lines.push(`This page shows a part of it: ${data.filter}`);
    const good = data.recordings.length > 0 && !flawed.length;
    return el("div", { class: `notice ${good ? "good" : "bad"}`, role: "status" }, ...lines.map((line) => el("p", {}, line)));
  },

  facts() {
    const { data, el, format } = page;
    const { totals, lifetimes } = data;
    const causes = Object.entries(data.causes).sort((x, y) => y[1] - x[1])
      .map(([cause, n]) => `${format.count(n)} ${cause || "unknown"}`).join(", ");
    const from = Math.min(...data.recordings.map((r) => r.from)), to = Math.max(...data.recordings.map((r) => r.to));
    const facts = [
      ["Time", data.recordings.length ? format.duration(to - from) : "none", data.recordings.length ? `from ${format.moment(from)}` : ""],
      ["Assigned", format.count(totals.assigned), `${format.count(totals.before_start)} held before the start`],
      ["Released", format.count(totals.released), `${format.count(totals.held)} still held at the end`],
      ["Lifetimes", format.count(lifetimes.count), lifetimes.count ? `median ${format.duration(lifetimes.p50)}, p99 ${format.duration(lifetimes.p99)}` : ""],
      ["Failures", format.count(totals.failures), causes || "nobody was refused a port"],
    ];
    page.byId("facts").append(...facts.map(([name, value, more]) => el("div", { class: name === "Failures" && totals.failures ? "fact alarm" : "fact" },
      el("dt", {}, name), el("dd", {}, el("strong", {}, value), el("span", {}, more)))));
  },

  recordings() {
    const { data, el, format, summary } = page;
    const details = el("details", {}, el("summary", {}, format.plural(data.recordings.length, "recording", "recordings")));
    const table = page.table({
      caption: "Recordings", columns: [
        { name: "host", kind: "text" }, { name: "from", kind: "time" }, { name: "length", kind: "duration" }, { name: "parts", kind: "count" },
        { name: "kernel", kind: "text" }, { name: "hooks", kind: "text" }, { name: "porttrace", kind: "text" },
        { name: "filter", kind: "text" }, { name: "put right", kind: "count" }, { name: "missing", kind: "text" }],
      rows: data.recordings.map((r) => [r.host, r.from, r.to - r.from, r.parts, r.kernel, r.hooks, r.version, r.filter, r.reconciled, summary.flaws(r).join("; ") || "nothing"]),
    });
    details.append(table);
    page.byId("recordings").append(details);
  },

  findings() {
    const { data, el, summary } = page;
    const list = page.byId("findings-list");
    if (!data.findings.length) {
      list.append(el("p", { class: "notice good" }, "None: no pool ran out of ports or is about to."));
      return;
    }
    list.append(el("ol", { class: "findings" }, ...data.findings.map(summary.finding)));
  },

  finding(f) {
    const { el, format } = page;
    const about = [];
    if (f.culprit) about.push(el("p", {}, el("b", {}, "Who: "), f.culprit));
    if (f.pool) about.push(el("p", {}, el("b", {}, "Pool: "), f.pool));
    if (f.because?.length) about.push(el("p", {}, el("b", {}, "Because: "), ...f.because.flatMap((id, i) => [i ? ", " : "", el("a", { href: `#finding-${id}` }, id)])));
    const evidence = f.evidence.map((n) => el("div", {}, el("dt", {}, format.evidenceName(n.name)), el("dd", {}, format.evidence(n.name, n.value))));
    return el("li", { class: `finding ${f.severity}`, id: `finding-${f.id}` },
      el("h3", {}, el("span", { class: "severity" }, f.severity), " ", f.title),
      ...about,
      evidence.length ? el("dl", { class: "evidence" }, ...evidence) : "",
      f.remedy ? el("p", { class: "remedy" }, el("b", {}, "What to do: "), f.remedy) : "",
      el("p", { class: "id" }, f.id));
  },
};

"use strict";

// Everything that is shown goes into the page as text (textContent), never as markup:
// names come from whoever copies.

const every = 1000; // ms between questions
const patience = 5000; // ms until a server that says nothing counts as lost
const minutes = 5; // of each chart

const byId = (id) => document.getElementById(id);

function el(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

function put(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

function size(n) {
  if (n < 1024) return Math.round(n) + " B";
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    n /= 1024;
    if (n < 1023.95) return n.toFixed(1) + " " + unit;
  }
  return (n / 1024).toFixed(1) + " PiB";
}

const rate = (n) => size(n) + "/s";

const count = (n, one, many) => n.toLocaleString("en") + " " + (n === 1 ? one : many);

function span(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + (seconds % 60) + " s";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

// keep makes the children of a box be one for each item, and no others, in their order.
function keep(box, items, key, make, fill) {
  const old = new Map([...box.children].map((c) => [c.dataset.key, c]));
  let at = box.firstChild;
  for (const item of items) {
    let child = old.get(key(item));
    if (child) {
      old.delete(key(item));
    } else {
      child = make();
      child.dataset.key = key(item);
    }
    fill(child.parts, item);
    if (child === at) at = at.nextSibling;
    else box.insertBefore(child, at);
  }
  for (const gone of old.values()) gone.remove();
}

// speeds are bytes of sessions over the last seconds.
const speeds = new Map();

function speed(s, now) {
  const list = speeds.get(s.id) || [];
  speeds.set(s.id, list);
  list.push({ at: now, bytes: s.bytes_done });
  while (list.length > 2 && now - list[0].at > 10000) list.shift();
  const first = list[0];
  const seconds = (now - first.at) / 1000;
  return seconds > 0.5 ? Math.max(0, s.bytes_done - first.bytes) / seconds : NaN;
}

function sessionCard() {
  const card = el("article", "card");
  const p = { way: el("span", "way"), target: el("span", "target"), who: el("span", "who"), rate: el("span", "rate") };
  const top = el("div", "top");
  top.append(p.way, p.target, p.who, p.rate);
  p.bar = el("div", "bar");
  p.bar.setAttribute("role", "progressbar");
  p.fill = el("span");
  p.bar.append(p.fill);
  p.facts = el("div", "facts");
  for (const name of ["bytes", "files", "failed", "left", "streams"]) {
    p[name] = el("span");
    p.facts.append(p[name]);
  }
  p.failed.className = "wrong";
  p.current = el("div", "current");
  p.name = el("bdi");
  p.current.append(p.name);
  card.append(top, p.bar, p.facts, p.current);
  card.parts = p;
  return card;
}

function fillSession(p, s) {
  const now = Date.parse(s.time);
  p.way.className = "way " + s.direction;
  put(p.way, s.direction === "send" ? "sends" : "receives");
  put(p.target, s.target || "session " + s.id);
  put(p.who, [s.key, s.peer].filter(Boolean).join(" @ "));
  const bps = speed(s, now);
  put(p.rate, Number.isNaN(bps) ? "" : rate(bps));
  const part = s.bytes > 0 ? Math.min(1, s.bytes_done / s.bytes) : s.files > 0 ? s.files_done / s.files : 0;
  p.bar.className = "bar " + s.direction;
  p.bar.setAttribute("aria-valuenow", Math.round(part * 100));
  p.fill.style.width = (part * 100).toFixed(2) + "%";
  const known = s.whole ? "" : " known so far";
  put(p.bytes, size(s.bytes_done) + " of " + size(s.bytes) + known + " (" + Math.floor(part * 100) + " %)");
  put(p.files, s.files_done.toLocaleString("en") + " of " + count(s.files, "file", "files"));
  put(p.failed, s.files_failed > 0 ? s.files_failed.toLocaleString("en") + " failed" : "");
  const left = bps > 0 && s.bytes > s.bytes_done ? ", " + span((s.bytes - s.bytes_done) / bps) + (s.whole ? " left" : " left at least") : "";
  put(p.left, "for " + span((now - Date.parse(s.started)) / 1000) + left);
  put(p.streams, [s.transport, count(s.streams, "stream", "streams"), s.slots > 0 ? s.slots_in_use + " of " + s.slots + " slots in use" : ""].filter(Boolean).join(", "));
  put(p.name, s.current || "");
  p.current.hidden = !s.current;
}

const svgNS = "http://www.w3.org/2000/svg";

function svg(tag, attributes) {
  const e = document.createElementNS(svgNS, tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}

const chartWidth = 300;
const chartHeight = 60;

function railCard() {
  const card = el("article", "rail");
  const p = { name: el("span", "target"), what: el("span", "who"), slow: el("span", "wrong"), broken: el("span", "wrong"), in: el("span", "in"), out: el("span", "out") };
  const top = el("div", "top");
  const now = el("span", "now");
  now.append(p.in, p.out);
  top.append(p.name, p.what, p.slow, p.broken, now);
  const chart = el("div", "chart");
  p.svg = svg("svg", { viewBox: "0 0 " + chartWidth + " " + chartHeight, preserveAspectRatio: "none", role: "img" });
  p.svg.append(svg("line", { class: "grid", x1: 0, x2: chartWidth, y1: chartHeight / 2, y2: chartHeight / 2 }));
  for (const way of ["in", "out"]) {
    p[way + "Area"] = svg("path", { class: way + " area" });
    p[way + "Line"] = svg("path", { class: way });
    p.svg.append(p[way + "Area"], p[way + "Line"]);
  }
  p.peak = el("span", "peak");
  chart.append(p.svg, p.peak);
  const axis = el("div", "axis");
  p.total = el("span");
  axis.append(el("span", "", "-" + minutes + " min"), p.total, el("span", "", "now"));
  card.append(top, chart, axis);
  card.parts = p;
  return card;
}

// draw puts points of a chart at its right end; what is older than they are is empty.
function draw(line, area, points, room, peak) {
  if (points.length < 2 || peak === 0) {
    line.setAttribute("d", "");
    area.setAttribute("d", "");
    return;
  }
  const step = chartWidth / (room - 1);
  const x = (i) => (chartWidth - (points.length - 1 - i) * step).toFixed(1);
  const y = (v) => (chartHeight - 1 - (v / peak) * (chartHeight - 8)).toFixed(1);
  const d = points.map((v, i) => (i === 0 ? "M" : "L") + x(i) + " " + y(v)).join("");
  line.setAttribute("d", d);
  area.setAttribute("d", d + "L" + chartWidth + " " + chartHeight + "L" + x(0) + " " + chartHeight + "Z");
}

// given is what a rail is given that is slow beside the others of its session.
const given = { less: "slow: is given less", none: "slow: is given only probes" };

const last = (list) => (list.length > 0 ? list[list.length - 1] : 0);

function fillRail(p, r) {
  const room = Math.round((minutes * 60) / r.step);
  put(p.name, r.name);
  put(p.what, r.transport + ", " + count(r.streams, "stream", "streams"));
  put(p.slow, given[r.state] || "");
  put(p.broken, r.streams_broken > 0 ? count(r.streams_broken, "stream broke", "streams broke") : "");
  const peakIn = Math.max(0, ...r.receive_rates);
  const peakOut = Math.max(0, ...r.send_rates);
  put(p.in, r.received_bytes > 0 ? "in " + rate(last(r.receive_rates)) : "");
  put(p.out, r.sent_bytes > 0 ? "out " + rate(last(r.send_rates)) : "");
  const peak = Math.max(peakIn, peakOut);
  put(p.peak, peak > 0 ? "peak " + rate(peak) : "");
  draw(p.inLine, p.inArea, peakIn > 0 ? r.receive_rates.slice(-room) : [], room, peak);
  draw(p.outLine, p.outArea, peakOut > 0 ? r.send_rates.slice(-room) : [], room, peak);
  p.svg.setAttribute("aria-label", r.name + ": received " + size(r.received_bytes) + ", sent " + size(r.sent_bytes) + ", peak " + rate(peak));
  const totals = [];
  if (r.received_bytes > 0) totals.push(size(r.received_bytes) + " in");
  if (r.sent_bytes > 0) totals.push(size(r.sent_bytes) + " out");
  put(p.total, totals.join(", ") + (totals.length > 0 ? " since the start" : ""));
}

function endedRow() {
  const row = el("article", "row");
  const p = { way: el("span", "way"), when: el("span", "when"), target: el("span", "target"), who: el("span", "who"), result: el("span", "result"), error: el("div", "error") };
  const top = el("div", "top");
  top.append(p.when, p.way, p.target, p.who, p.result);
  row.append(top, p.error);
  row.parts = p;
  return row;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

function when(at, now) {
  const that = new Date(at);
  return (now - that < 18 * 3600 * 1000 ? "" : day.format(that) + " ") + clock.format(that);
}

function fillEnded(p, e) {
  const now = Date.parse(e.time);
  put(p.when, when(e.at, now));
  p.way.className = "way " + e.direction;
  put(p.way, e.direction === "send" ? "sent" : "received");
  put(p.target, e.target || "session " + e.id);
  put(p.who, [e.key, e.peer].filter(Boolean).join(" @ "));
  const done = e.kind === "done" && e.files_failed === 0;
  const said = [count(e.files, "file", "files") + ", " + size(e.bytes)];
  if (e.files_skipped > 0) said.push(e.files_skipped.toLocaleString("en") + " there already");
  if (e.files_failed > 0) said.push(e.files_failed.toLocaleString("en") + " failed");
  said.push("in " + span((Date.parse(e.at) - Date.parse(e.started)) / 1000));
  p.result.className = "result " + (done ? "good" : "wrong");
  put(p.result, (e.kind === "done" ? "" : e.kind.replaceAll("_", " ") + ": ") + said.join(", "));
  put(p.error, e.error || "");
  p.error.hidden = !e.error;
}

function tile() {
  const t = el("div", "tile");
  t.parts = { tile: t, label: el("div", "label"), value: el("div", "value"), note: el("div", "note") };
  t.append(t.parts.label, t.parts.value, t.parts.note);
  return t;
}

function fillTile(p, t) {
  p.tile.className = "tile " + (t.className || "");
  put(p.label, t.label);
  put(p.value, t.value);
  put(p.note, t.note);
}

function tiles(s) {
  const sum = (field) => s.rails.reduce((n, r) => n + last(r[field]), 0);
  const total = (field) => s.rails.reduce((n, r) => n + r[field], 0);
  const r = s.room;
  return [
    { label: "Receives", value: rate(sum("receive_rates")), note: size(total("received_bytes")) + " so far", className: "in" },
    { label: "Sends", value: rate(sum("send_rates")), note: size(total("sent_bytes")) + " so far", className: "out" },
    { label: "Sessions", value: String(s.sessions.length + s.hidden_sessions), note: r.clients + " of " + r.clients_limit + " clients", className: r.clients >= r.clients_limit ? "bad" : "" },
    { label: "Ended badly", value: s.sessions_failed.toLocaleString("en"), note: "of " + count(s.sessions_begun, "session", "sessions"), className: s.sessions_failed > 0 ? "bad" : "" },
    { label: "Slot memory", value: size(r.slot_memory_bytes), note: "of " + size(r.slot_memory_limit_bytes) },
    { label: "At the door", value: String(r.handshakes), note: [r.refused.toLocaleString("en") + " refused", r.turned_away > 0 ? r.turned_away.toLocaleString("en") + " sent off" : ""].filter(Boolean).join(", "), className: r.handshakes >= r.handshakes_limit ? "bad" : "" },
  ];
}

function show(s) {
  const stamp = (list) => list.map((x) => ({ ...x, time: s.time, step: s.step_seconds }));
  put(byId("state"), s.state);
  byId("state").className = "state " + s.state;
  put(byId("where"), (s.dir ? s.dir + " on " : "on ") + s.address + ", up " + span((Date.parse(s.time) - Date.parse(s.started)) / 1000));
  alarm(s.why ? "Clients can't come in: " + s.why : "");
  keep(byId("tiles"), tiles(s), (t) => t.label, tile, fillTile);
  keep(byId("sessions"), stamp(s.sessions), (x) => x.id, sessionCard, fillSession);
  put(byId("n-sessions"), s.hidden_sessions > 0 ? s.sessions.length + " shown of " + (s.sessions.length + s.hidden_sessions) : "");
  byId("no-sessions").hidden = s.sessions.length > 0;
  keep(byId("rails"), stamp(s.rails), (x) => x.transport + "/" + x.name, railCard, fillRail);
  byId("no-rails").hidden = s.rails.length > 0;
  keep(byId("ended"), stamp(s.ended), (x) => x.id + x.at, endedRow, fillEnded);
  byId("no-ended").hidden = s.ended.length > 0;
  const running = new Set(s.sessions.map((x) => x.id));
  for (const id of speeds.keys()) if (!running.has(id)) speeds.delete(id);
  document.title = s.sessions.length > 0 ? count(s.sessions.length, "session", "sessions") + " - scp_rdma" : "scp_rdma";
}

function alarm(text) {
  byId("alarm").hidden = text === "";
  put(byId("alarm"), text);
}

let heard = Date.now();

function lost() {
  byId("state").className = "state lost";
  put(byId("state"), "no answer");
  document.body.classList.add("stale");
  alarm("The server has not answered since " + clock.format(new Date(heard)) + ". What is below is from then.");
}

async function ask() {
  try {
    const answer = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(patience) });
    if (!answer.ok) throw new Error(answer.statusText);
    const s = await answer.json();
    heard = Date.now();
    document.body.classList.remove("stale");
    show(s);
  } catch {
    lost();
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await ask();
    await new Promise((done) => setTimeout(done, every));
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
run();

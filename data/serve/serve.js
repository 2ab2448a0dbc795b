// SPDX-License-Identifier: LGPL-2.1-or-later
// The page of "ashlar serve". What nodes report is text of strangers: it only ever becomes text, by textContent and createTextNode.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const REFRESH = 30000; // milliseconds
const state = { releases: null, nodes: null, ref: "", channel: "", target: "" };
const $ = id => document.getElementById(id);

// --- making elements ---

function element(name, attributes = {}, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children.map(child => (child instanceof Node ? child : String(child))));
	return made;
}

function shape(name, attributes, text) {
	const made = document.createElementNS(SVG, name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, typeof value === "number" ? Math.round(value * 100) / 100 : value);
	if (text !== undefined)
		made.textContent = text;
	return made;
}

function table(caption, headings, rows) {
	const cell = (value, heading, name = "td") => {
		const made = element(name, heading.kind ? { class: heading.kind } : {});
		made.append(...(Array.isArray(value) ? value : [value instanceof Node ? value : String(value)]));
		return made;
	};
	const head = element("tr", {}, ...headings.map(heading => {
		const made = cell(heading.name, heading, "th");
		made.scope = "col";
		return made;
	}));
	const body = rows.map(row => element("tr", {}, ...row.map((value, i) => {
		const made = cell(value, headings[i], i === 0 ? "th" : "td");
		if (i === 0)
			made.scope = "row";
		return made;
	})));
	return element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
}

// --- text of figures ---

const whole = new Intl.NumberFormat("en");

function size(bytes) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let unit = 0;
	while (bytes >= 1024 && unit < units.length - 1) {
		bytes /= 1024;
		unit++;
	}
	return `${unit === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

function time(seconds) {
	return new Date(seconds * 1000).toISOString().replace("T", " ").replace(/:\d\d\.\d+Z$/, "Z");
}

const percent = (part, all) => (all > 0 ? `${Math.round(part / all * 1000) / 10} %` : "–");
const cost = from => from.tree_bytes + (from.delta_bytes || from.data_bytes);

// --- charts ---

function drawing(width, height, title, description) {
	const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
	svg.append(shape("title", {}, title), shape("desc", {}, description));
	return svg;
}

function legend(entries) {
	return element("ul", { class: "legend" }, ...entries.map(([name, text]) => {
		const swatch = shape("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
		swatch.append(shape("rect", { width: 10, height: 10, rx: 2, class: name }));
		return element("li", {}, swatch, text);
	}));
}

// Width of what is drawn: as wide as the figure is, so that text keeps its size on a phone.
const widthOf = figure => Math.max(280, Math.min(1040, figure.clientWidth || 640));

// A round number of at most four steps that reaches max.
function scaleOf(max) {
	const base = 10 ** Math.floor(Math.log10(Math.max(max, 1)));
	const step = [0.25, 0.5, 1, 2, 2.5, 5].map(one => one * base).find(one => one * 4 >= max && Number.isInteger(one)) || Math.ceil(max / 4) || 1;
	return { step, top: Math.max(step, Math.ceil(max / step) * step) };
}

function drawVersions(figure, versions) {
	const width = widthOf(figure), height = 240, left = 44, top = 22, bottom = 34;
	const shown = versions.slice(0, Math.max(3, Math.floor((width - left) / 72)));
	const sums = shown.map(one => one.ok + one.updating + one.failed);
	const scale = scaleOf(Math.max(...sums));
	const plot = height - top - bottom;
	const y = value => top + plot - value / scale.top * plot;
	const slot = (width - left) / shown.length, thick = Math.min(56, slot * 0.6);
	const svg = drawing(width, height, "Nodes by version", shown.map((one, i) => `${one.version}: ${sums[i]} nodes`).join("; "));
	for (let value = 0; value <= scale.top; value += scale.step) {
		svg.append(shape("line", { x1: left, x2: width, y1: y(value), y2: y(value), class: value ? "grid" : "axis" }));
		svg.append(shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, whole.format(value)));
	}
	shown.forEach((one, i) => {
		const x = left + slot * i + (slot - thick) / 2;
		let base = 0;
		for (const [member, name] of [["ok", "done"], ["updating", "updating"], ["failed", "failed"]]) {
			if (one[member] === 0)
				continue;
			const bar = shape("rect", { x, width: thick, y: y(base + one[member]), height: y(base) - y(base + one[member]), class: `bar ${name}` });
			bar.dataset.version = one.version;
			bar.dataset.nodes = one[member];
			bar.append(shape("title", {}, `${one.version}: ${one[member]} ${member}`));
			svg.append(bar);
			base += one[member];
		}
		const label = one.version.length > slot / 7.5 ? `${one.version.slice(0, Math.max(3, slot / 7.5 - 1))}…` : one.version;
		svg.append(shape("text", { x: x + thick / 2, y: y(base) - 6, "text-anchor": "middle", class: "value" }, whole.format(sums[i])));
		svg.append(shape("text", { x: x + thick / 2, y: height - bottom + 20, "text-anchor": "middle" }, label));
	});
	figure.replaceChildren(svg, legend([["done", "ok"], ["updating", "updating"], ["failed", "failed"]]));
}

function drawRollout(figure, rollout, now) {
	const width = widthOf(figure), height = 220, left = 44, right = 8, top = 12, bottom = 30;
	const begin = Math.min(rollout.published, ...rollout.waves.map(wave => wave.start));
	const last = Math.max(now, ...rollout.waves.map(wave => wave.start));
	const end = begin + Math.max(3600, last - begin) * 1.05;
	const x = at => left + (Math.max(begin, at) - begin) / (end - begin) * (width - left - right);
	const y = share => top + (1 - share) * (height - top - bottom);
	const svg = drawing(width, height, `Roll-out of ${rollout.version}`,
		`${rollout.done} of ${rollout.nodes} nodes have it, ${rollout.failed} have failed`);
	let allowed = `M${x(begin)} ${y(0)}`, share = 0;
	for (const wave of rollout.waves) {
		allowed += `L${x(wave.start)} ${y(share)}`;
		share = wave.percent / 100;
		allowed += `L${x(wave.start)} ${y(share)}`;
	}
	svg.append(shape("path", { d: `${allowed}L${x(end)} ${y(share)}L${x(end)} ${y(0)}Z`, class: "allowed" }));
	for (const value of [0, 0.25, 0.5, 0.75, 1]) {
		svg.append(shape("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: value ? "grid" : "axis" }));
		svg.append(shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, `${value * 100} %`));
	}
	let curve = `M${x(begin)} ${y(0)}`, reached = 0;
	for (const [at, nodes] of rollout.progress) {
		curve += `L${x(at)} ${y(reached)}`;
		reached = rollout.nodes > 0 ? nodes / rollout.nodes : 0;
		curve += `L${x(at)} ${y(reached)}`;
	}
	svg.append(shape("path", { d: `${curve}L${x(now)} ${y(reached)}`, class: "curve" }));
	svg.append(shape("line", { x1: x(now), x2: x(now), y1: top, y2: height - bottom, class: "now" }));
	const mark = at => (width < 400 ? time(at).slice(5) : time(at)); // without the year
	svg.append(shape("text", { x: left, y: height - 8 }, mark(begin)));
	svg.append(shape("text", { x: width - right, y: height - 8, "text-anchor": "end" }, mark(end)));
	figure.replaceChildren(svg, legend([["allowed", "may take it"], ["done", "have it, of the nodes that reported"]]));
}

function drawCosts(figure, release) {
	const rows = release.costs.map(from => ({ name: `from ${from.from}`, bytes: cost(from), kind: "done" }));
	rows.push({ name: "anew", bytes: release.full_bytes, kind: "whole" });
	const width = widthOf(figure), row = 30, left = Math.min(150, width * 0.3), right = 84, height = rows.length * row + 4;
	const max = Math.max(...rows.map(one => one.bytes), 1);
	const svg = drawing(width, height, `What an update to ${release.version} takes`, rows.map(one => `${one.name}: ${size(one.bytes)}`).join("; "));
	rows.forEach((one, i) => {
		const long = Math.max(2, one.bytes / max * (width - left - right));
		const name = one.name.length > left / 7.2 ? `${one.name.slice(0, left / 7.2 - 1)}…` : one.name;
		const bar = shape("rect", { x: left, y: i * row + 5, width: long, height: row - 10, rx: 3, class: `cost ${one.kind}` });
		bar.dataset.bytes = one.bytes;
		svg.append(shape("text", { x: left - 8, y: i * row + row / 2 + 4, "text-anchor": "end" }, name));
		svg.append(bar);
		svg.append(shape("text", { x: left + long + 8, y: i * row + row / 2 + 4, class: "value" }, size(one.bytes)));
	});
	figure.replaceChildren(svg);
}

// --- sections ---

function cards(entries) {
	$("summary").replaceChildren(...entries.map(([name, value, more]) => {
		const shown = element("dd", {}, value);
		if (more)
			shown.append(element("small", {}, more));
		return element("div", {}, element("dt", {}, name), shown);
	}));
}

function showSystem(system, entries) {
	const newest = entries.find(entry => !entry.withdrawn);
	const list = [["Newest version", newest ? newest.version : "–", newest ? `published ${time(newest.published)}` : ""]];
	if (system) {
		const failed = system.versions.reduce((sum, one) => sum + one.failed, 0);
		const rollout = system.rollout;
		list.push(["Nodes that reported", whole.format(system.nodes), ""]);
		list.push(["Have the newest", rollout ? percent(rollout.done, rollout.nodes) : "–", rollout ? `${rollout.done} of ${rollout.nodes}` : ""]);
		list.push(["Failed", whole.format(failed), percent(failed, system.nodes)]);
	}
	cards(list);
}

function showRollout(rollout, now) {
	$("rollout").hidden = !rollout;
	if (!rollout)
		return;
	$("rollout-title").textContent = `Roll-out of ${rollout.version}`;
	drawRollout($("rollout-chart"), rollout, now);
	let before = 0;
	$("rollout-table").replaceChildren(table("Waves, and the nodes that are in them", [
		{ name: "From", kind: "time" }, { name: "Share", kind: "number" }, { name: "Nodes", kind: "number" }, { name: "Have it", kind: "number" },
		{ name: "Failed", kind: "number" }, { name: "State", kind: "time" }], rollout.waves.map(wave => {
		const share = `${before}–${wave.percent} %`;
		before = wave.percent;
		return [time(wave.start), share, whole.format(wave.nodes), `${whole.format(wave.done)} (${percent(wave.done, wave.nodes)})`,
			whole.format(wave.failed), wave.start <= now ? "open" : "to come"];
	})));
}

function showNodes(system) {
	const versions = system ? system.versions : [];
	$("nodes").hidden = versions.length === 0;
	if (versions.length === 0)
		return;
	drawVersions($("nodes-chart"), versions);
	$("nodes-table").replaceChildren(table("Nodes by the version that runs", [
		{ name: "Version" }, { name: "ok", kind: "number" }, { name: "updating", kind: "number" }, { name: "failed", kind: "number" },
		{ name: "all", kind: "number" }], versions.map(one => [one.version, ...[one.ok, one.updating, one.failed,
		one.ok + one.updating + one.failed].map(count => whole.format(count))])));
}

function showFailures(system) {
	const failures = system ? system.failures : [];
	$("failures").hidden = failures.length === 0;
	$("failures-table").replaceChildren(table("Reasons, the most frequent first", [
		{ name: "Version" }, { name: "Reason", kind: "text" }, { name: "Nodes", kind: "number" }, { name: "Last", kind: "time" }],
	failures.map(one => [one.version, one.reason || "not said", whole.format(one.nodes), time(one.last)])));
}

function showCosts(releases) {
	const release = releases.find(one => one.version === state.target) || releases[0];
	$("costs").hidden = !release;
	if (!release)
		return;
	fill($("target"), releases.map(one => one.version), release.version);
	drawCosts($("costs-chart"), release);
	$("costs-table").replaceChildren(table(`Bytes over the network to ${release.version}, and a kernel image of ${size(release.kernel_bytes)}`, [
		{ name: "From" }, { name: "Hash tree", kind: "number" }, { name: "Data", kind: "number" }, { name: "Delta", kind: "number" },
		{ name: "Requests", kind: "number" }, { name: "Takes", kind: "number" }],
	[...release.costs.map(one => [one.from, size(one.tree_bytes), size(one.data_bytes), one.delta_bytes ? size(one.delta_bytes) : "–",
		whole.format(one.requests), size(cost(one))]), ["anew", "", "", "", "", size(release.full_bytes)]]));
}

function offers(channels, version) {
	const tags = [];
	for (const channel of channels)
		for (const entry of channel.entries)
			if (entry.version === version)
				tags.push(element("span", { class: entry.withdrawn ? "tag bad" : "tag" },
					`${channel.name}${entry.withdrawn ? ": withdrawn" : entry.barrier ? ": barrier" : ""}`), " ");
	return tags.length > 0 ? tags : "–";
}

function showReleases(ref) {
	$("releases").hidden = ref.releases.length === 0;
	$("releases-table").replaceChildren(table("Newest first", [
		{ name: "Version" }, { name: "Offered in" }, { name: "Built", kind: "time" }, { name: "Root", kind: "number" }, { name: "Packed", kind: "number" },
		{ name: "Commit" }], ref.releases.map(one => [one.version, offers(ref.channels, one.version), time(one.timestamp),
		size(one.root_bytes), size(one.full_bytes), element("code", { title: one.commit }, one.commit.slice(0, 12))])));
}

function fill(select, values, chosen) {
	if ([...select.options].map(option => option.value).join("\n") !== values.join("\n"))
		select.replaceChildren(...values.map(value => element("option", { value }, value)));
	select.value = chosen;
}

function show() {
	const refs = state.releases.refs;
	const ref = refs.find(one => one.ref === state.ref) || refs[0];
	if (!ref) {
		say("Nothing is published here yet.");
		return;
	}
	const channel = ref.channels.find(one => one.name === state.channel) || ref.channels.find(one => one.name === "stable") || ref.channels[0];
	fill($("ref"), refs.map(one => one.ref), ref.ref);
	fill($("channel"), ref.channels.map(one => one.name), channel ? channel.name : "");
	const system = state.nodes && channel ? state.nodes.systems.find(one => one.ref === ref.ref && one.channel === channel.name) : null;
	showSystem(system, channel ? channel.entries : []);
	showRollout(system && system.rollout, state.nodes ? state.nodes.now : 0);
	showNodes(system);
	showFailures(system);
	showCosts(ref.releases);
	showReleases(ref);
	const left = state.releases.expires * 1000 - Date.now();
	say(left < 0 ? "The metadata has expired: nodes take nothing until “ashlar publish --refresh” has run." : "", left < 0);
	$("footer").textContent = `Metadata valid until ${time(state.releases.expires)}. ` +
		(state.releases.reports ? "Nodes report by their own choice; those that do not are not counted." : "Reports of nodes are not taken here.");
}

// --- life ---

function say(text, bad = false) {
	$("status").textContent = text;
	$("status").classList.toggle("bad", bad);
}

async function ask(path) {
	const reply = await fetch(path);
	if (!reply.ok)
		throw new Error(`${path}: ${reply.status} ${(await reply.text()).trim()}`);
	return reply.json();
}

async function refresh() {
	try {
		state.releases = await ask("/api/v1/releases");
		state.nodes = state.releases.reports ? await ask("/api/v1/nodes") : null;
		show();
	} catch (error) {
		say(`The server does not answer: ${error.message}`, true);
	}
	document.documentElement.dataset.ready = "yes";
}

for (const id of ["ref", "channel", "target"])
	$(id).addEventListener("change", event => {
		state[id] = event.target.value;
		if (id === "ref")
			state.channel = state.target = "";
		show();
	});
$("choice").addEventListener("submit", event => event.preventDefault());
addEventListener("resize", () => state.releases && show());
setInterval(() => document.hidden || refresh(), REFRESH);
refresh();

"use strict";
// The sample browser. Model output is shown through textContent only; nothing is loaded and nothing leaves the page.
(async () => {
  const $ = (id) => document.getElementById(id);
  const box = $("browser"), source = $("samples-data");
  if (!box || !source || typeof DecompressionStream === "undefined") return;
  const started = performance.now();
  const packed = Uint8Array.from(atob(source.textContent.trim()), (c) => c.charCodeAt(0));
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(inflated).text());

  const STEP = 100, WORDS = { c: "right", w: "wrong", n: "no answer", u: "undecided", "-": "not judged" };
  const FILTERS = [
    ["", "all questions"], ["both", "A right, B right"], ["a", "A right, B wrong"], ["b", "A wrong, B right"],
    ["none", "A wrong, B wrong"], ["differ", "only one is right"], ["same", "same wrong answer"],
    ["noanswer", "no answer (A or B)"], ["undecided", "undecided (A or B)"], ["cut", "cut text (A or B)"],
    ["match", "two matches differ (A or B)"],
  ];
  const GROUPS = [["l", "level"], ["u", "subject"]];
  const state = { t: "test", id: "", a: data.a, b: data.b, f: "", q: "", l: "", u: "", d: "" };
  const found = { rows: [], shown: 0, place: -1 };
  const haystacks = {};
  let quiet = true;  // until somebody asks for something, the address stays as it is

  const make = (tag, cls, text) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const side = () => data[state.t];
  const column = (name) => side().names.indexOf(name);
  const title = (name) => data.labels[name] || name;
  const options = (select, pairs, chosen) => {
    select.replaceChildren(...pairs.map(([value, words]) => {
      const option = make("option", "", words);
      option.value = value;
      option.selected = value === chosen;
      return option;
    }));
  };

  function haystack(split) {
    if (!haystacks[split]) {
      const of = data[split];
      haystacks[split] = of.ids.map((id, i) =>
        [id, of.questions[i], of.gold[i], ...of.answers.map((each) => each[i]), ...(of.texts[i] || [])]
          .filter((each) => each !== null && each !== undefined).join("\n").toLowerCase());
    }
    return haystacks[split];
  }

  function matching() {
    const of = side(), a = column(state.a), b = column(state.b), words = state.q.trim().toLowerCase();
    const texts = words ? haystack(state.t) : [], decided = state.d ? state.d.split(":") : null;
    const letter = (m, i) => (m < 0 ? "-" : of.verdicts[m][i]);
    const any = (i, test) => [a, b].some((m) => m >= 0 && test(m, i));
    const tests = {
      "": () => true,
      both: (i) => letter(a, i) === "c" && letter(b, i) === "c",
      a: (i) => letter(a, i) === "c" && letter(b, i) !== "c",
      b: (i) => letter(a, i) !== "c" && letter(b, i) === "c",
      none: (i) => letter(a, i) !== "c" && letter(b, i) !== "c",
      differ: (i) => (letter(a, i) === "c") !== (letter(b, i) === "c"),
      same: (i) => a >= 0 && b >= 0 && letter(a, i) === "w" && letter(b, i) === "w" &&
        of.answers[a][i] !== null && of.answers[a][i] === of.answers[b][i],
      noanswer: (i) => any(i, (m) => letter(m, i) === "n"),
      undecided: (i) => any(i, (m) => letter(m, i) === "u"),
      cut: (i) => any(i, (m) => of.cut[m][i] === "1"),
      match: (i) => any(i, (m) => of.gold[i] !== null && (of.answers[m][i] === of.gold[i]) !== (letter(m, i) === "c")),
    };
    const test = tests[state.f] || tests[""];
    const rows = [];
    for (let i = 0; i < of.ids.length; i++) {
      if (GROUPS.some(([key, group]) => state[key] && of[group][i] !== state[key])) continue;
      if (decided && (of.decisions[decided[0]] || [])[i] !== decided[1]) continue;
      if (words && !texts[i].includes(words)) continue;
      if (test(i)) rows.push(i);
    }
    return rows;
  }

  function controls() {
    const of = side(), names = of.names.map((name) => [name, title(name)]);
    if (column(state.a) < 0) state.a = of.names.includes(data.a) ? data.a : (of.names[1] || of.names[0] || "");
    if (column(state.b) < 0) state.b = of.names.includes(data.b) ? data.b : (of.names[0] || "");
    options($("s-a"), names, state.a);
    options($("s-b"), names, state.b);
    options($("s-f"), FILTERS, state.f);
    for (const [key, group] of GROUPS) {
      const values = [...new Set(of[group].filter((each) => each !== null))].sort((x, y) => x.localeCompare(y, "en", { numeric: true }));
      options($(`s-${key}`), [["", `all ${group}s`], ...values.map((each) => [each, each])], state[key]);
      $(`s-${key}`).parentElement.hidden = !values.length;
    }
    const decisions = [["", "all decisions"]];
    for (const [name, each] of Object.entries(of.decisions))
      for (const word of [...new Set(each)].filter(Boolean).sort())
        decisions.push([`${name}:${word}`, `${title(name)}: ${word.replaceAll("_", " ")}`]);
    options($("s-d"), decisions, state.d);
    $("s-d").parentElement.hidden = decisions.length < 2;
    $("s-q").value = state.q;
    for (const tab of ["test", "train"]) $(`tab-${tab}`).setAttribute("aria-selected", String(state.t === tab));
    $("tab-train").hidden = !data.train.ids.length;
  }

  function more() {
    const of = side(), a = column(state.a), b = column(state.b), list = $("s-list");
    const until = Math.min(found.rows.length, found.shown + STEP), added = document.createDocumentFragment();
    for (let place = found.shown; place < until; place++) {
      const i = found.rows[place], row = make("button", "hit");
      row.type = "button";
      row.dataset.place = place;
      const marks = make("span", "marks");
      for (const m of [a, b]) {
        const letter = m < 0 ? "-" : of.verdicts[m][i];
        const mark = make("span", `v-${letter === "-" ? "x" : letter}`, { c: "✓", w: "✗", n: "∅", u: "?", "-": "·" }[letter]);
        mark.title = WORDS[letter];
        marks.append(mark);
      }
      row.append(marks, make("span", "q", of.questions[i]));
      added.append(row);
    }
    found.shown = until;
    list.append(added);
    $("s-more").hidden = until >= found.rows.length;
  }

  function search(keep) {
    const began = performance.now();
    found.rows = matching();
    found.shown = 0;
    $("s-list").replaceChildren();
    more();
    const total = side().ids.length;
    $("s-count").textContent = `${found.rows.length.toLocaleString("en")} of ${total.toLocaleString("en")}`;
    const index = side().ids.indexOf(state.id);
    const place = keep ? found.rows.indexOf(index) : -1;
    if (keep && index >= 0 && place < 0) { found.place = -1; detail(index); } else open(place >= 0 ? place : 0, false);
    box.dataset.search = (performance.now() - began).toFixed(1);
  }

  function open(place, scroll) {
    found.place = found.rows.length ? Math.max(0, Math.min(place, found.rows.length - 1)) : -1;
    while (found.place >= found.shown && found.shown < found.rows.length) more();
    const list = $("s-list");
    for (const row of list.querySelectorAll("[aria-current]")) row.removeAttribute("aria-current");
    const row = list.children[found.place];
    if (row) {
      row.setAttribute("aria-current", "true");
      if (scroll) row.scrollIntoView({ block: "nearest" });
    }
    if (found.place < 0) $("s-detail").replaceChildren(make("p", "muted", "No question matches."));
    else detail(found.rows[found.place]);
  }

  // The words of two texts that the other lacks, by their longest common subsequence.
  function differing(one, other) {
    const split = (text) => text.match(/\s+|[^\s\w]|\w+/g) || [];
    const x = split(one), y = split(other), n = x.length, m = y.length;
    if (n * m > 1e6) return [null, null];
    const best = new Uint16Array((n + 1) * (m + 1)), w = m + 1;
    for (let i = n - 1; i >= 0; i--)
      for (let j = m - 1; j >= 0; j--)
        best[i * w + j] = x[i] === y[j] ? best[(i + 1) * w + j + 1] + 1 : Math.max(best[(i + 1) * w + j], best[i * w + j + 1]);
    const mine = x.map((word) => [word, true]), theirs = y.map((word) => [word, true]);
    for (let i = 0, j = 0; i < n && j < m;) {
      if (x[i] === y[j]) { mine[i++][1] = false; theirs[j++][1] = false; }
      else if (best[(i + 1) * w + j] >= best[i * w + j + 1]) i++;
      else j++;
    }
    return [mine, theirs];
  }

  function answer(m, i, tokens, big) {
    const of = side(), name = of.names[m], letter = of.verdicts[m][i], card = make("div", `card v-${letter === "-" ? "x" : letter}`);
    const head = make("div", "head");
    head.append(make("b", "", title(name)), make("span", "verdict", WORDS[letter]));
    card.append(head);
    const at = of.withText.indexOf(name), text = at >= 0 ? (of.texts[i] || [])[at] : null;
    if (text !== null && text !== undefined) {
      const pre = make("pre");
      if (tokens) for (const [word, differs] of tokens) pre.append(differs && word.trim() ? make("mark", "", word) : word);
      else pre.textContent = text;
      card.append(pre);
    } else if (big && !(of.voters || []).includes(name)) card.append(make("p", "muted", "text not in this page"));
    const read = of.answers[m][i], v = (of.voters || []).indexOf(name);
    card.append(make("div", "read", read === null ? "no answer read" : `read as ${read}`));
    if (v >= 0 && of.votes[v][i].length)
      card.append(make("div", "read", `votes: ${of.votes[v][i].map(([said, n]) => `${said} × ${n}`).join(", ")}`));
    if (of.cut[m][i] === "1") card.append(make("div", "read", v >= 0 ? "some texts were cut at the token limit" : "cut at the token limit"));
    return card;
  }

  function detail(i) {
    const of = side(), pane = $("s-detail");
    state.id = of.ids[i];
    const head = make("div", "muted", [of.ids[i], of.level[i] === null ? "" : `level ${of.level[i]}`, of.subject[i]].filter(Boolean).join(" · "));
    const gold = make("p", "gold", of.gold[i] === null ? "gold is not on record" : "gold ");
    if (of.gold[i] !== null) gold.append(make("b", "", of.gold[i]));
    const a = column(state.a), b = column(state.b), pair = [a, b].filter((m, k, all) => m >= 0 && all.indexOf(m) === k);
    const text = (m) => { const at = of.withText.indexOf(of.names[m]); return at >= 0 && of.texts[i] ? of.texts[i][at] : null; };
    let tokens = [null, null];
    if (pair.length === 2 && $("s-diff").checked && text(a) && text(b)) tokens = differing(text(a), text(b));
    const two = make("div", "pair");
    pair.forEach((m, k) => two.append(answer(m, i, tokens[k], true)));
    pane.replaceChildren(head, make("p", "question", of.questions[i]), gold, two);
    const kept = Object.entries(of.decisions).map(([name, each]) => [name, each[i]]).filter(([, word]) => word);
    if (kept.length) {
      const list = make("ul", "decisions");
      for (const [name, word] of kept) {
        const item = make("li", "", `${title(name)}: `);
        item.append(make("b", "", word.replaceAll("_", " ")));
        list.append(item);
      }
      pane.append(make("h4", "", "What became of it"), list);
    }
    const others = of.names.map((_, m) => m).filter((m) => !pair.includes(m) && (of.verdicts[m][i] !== "-" || of.answers[m][i] !== null));
    if (others.length) {
      const rest = make("div", "others");
      others.forEach((m) => rest.append(answer(m, i, null, false)));
      pane.append(make("h4", "", "All others"), rest);
    }
    link();
  }

  function link() {
    if (quiet) return;
    const given = new URLSearchParams();
    for (const name of ["t", "id", "a", "b", "f", "q", "l", "u", "d"])
      if (state[name] && !(name === "t" && state.t === "test")) given.set(name, state[name]);
    history.replaceState(null, "", `#s?${given}`);
  }

  function follow(first) {
    if (!location.hash.startsWith("#s?")) return false;
    const given = new URLSearchParams(location.hash.slice(3));
    for (const name of ["id", "a", "b", "f", "q", "l", "u", "d"]) state[name] = given.get(name) || (name === "a" || name === "b" ? data[name] : "");
    state.t = given.get("t") === "train" && data.train.ids.length ? "train" : "test";
    controls();
    search(true);
    (first ? box : $("samples")).scrollIntoView();
    return true;
  }

  const changed = (name, keep = true) => (event) => { state[name] = event.target.value; search(keep); };
  $("s-a").addEventListener("change", changed("a"));
  $("s-b").addEventListener("change", changed("b"));
  for (const name of ["f", "l", "u", "d", "q"]) $(`s-${name}`).addEventListener(name === "q" ? "input" : "change", changed(name, false));
  $("s-diff").addEventListener("change", () => search(true));
  $("s-more").addEventListener("click", more);
  $("s-swap").addEventListener("click", () => { [state.a, state.b] = [state.b, state.a]; controls(); search(true); });
  $("s-list").addEventListener("click", (event) => {
    const row = event.target.closest("button");
    if (row) open(Number(row.dataset.place), false);
  });
  for (const tab of ["test", "train"])
    $(`tab-${tab}`).addEventListener("click", () => { Object.assign(state, { t: tab, id: "", l: "", u: "", d: "" }); controls(); search(false); });
  addEventListener("hashchange", () => follow(false));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "j") open(found.place + 1, true);
    else if (event.key === "k") open(found.place - 1, true);
    else if (event.key === "/") { event.preventDefault(); $("s-q").focus(); }
  });
  box.hidden = false;
  if (!follow(true)) { controls(); search(false); }
  quiet = false;
  box.dataset.ready = (performance.now() - started).toFixed(1);
})();

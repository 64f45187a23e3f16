"use strict";
// The page's behaviour: opening wells, marks, zoom, keys, sorting. All text comes in as text.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const element = (name, attributes = {}, text = "") => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  };
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));

  // ---- The plate: counts or pictures, one channel at a time; arrow keys move between wells
  const plate = one("#plate");
  let channel = one(".view", plate)?.dataset.channel ?? "";
  const wells = (of) => all("button.well", plate).filter((b) => b.dataset.channel === of);

  for (const button of all("[data-view]", plate)) {
    button.addEventListener("click", () => {
      plate.classList.toggle("pictures", button.dataset.view === "pictures");
      for (const other of all("[data-view]", plate)) press(other, other === button);
    });
  }
  const showChannel = (name) => {
    channel = name;
    for (const view of all(".view", plate)) view.hidden = view.dataset.channel !== name;
    for (const b of all(".switch [data-channel]", plate)) press(b, b.dataset.channel === name);
  };
  for (const button of all(".switch [data-channel]", plate)) {
    button.addEventListener("click", () => showChannel(button.dataset.channel));
  }
  for (const table of all("table.plate", plate)) {
    const rows = all("tbody tr", table).map((row) => all("td", row).map((td) => one("button", td)));
    const first = rows.flat().find(Boolean);
    if (first) first.tabIndex = 0; // one stop for the tab key, the arrows do the rest
    table.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const [down, right] = step[event.key] ?? [0, 0];
      let y = rows.findIndex((row) => row.includes(event.target));
      if (y < 0 || !(down || right) || event.altKey || event.ctrlKey || event.metaKey) return;
      let x = rows[y].indexOf(event.target);
      event.preventDefault();
      do {
        y += down;
        x += right;
      } while (rows[y]?.[x] === null);
      if (rows[y]?.[x]) focusWell(rows[y][x]);
    });
  }
  const focusWell = (button) => {
    for (const other of wells(button.dataset.channel)) other.tabIndex = other === button ? 0 : -1;
    button.focus();
  };

  // ---- The dialog
  const dialog = one("#dialog");
  const stage = one(".stage", dialog);
  const canvas = one(".canvas", stage);
  const picture = one("img", canvas);
  const overlay = one("svg", canvas);
  const readout = one("#readout");
  const details = one("#details");
  const tool = (name) => one(`[data-do="${name}"]`, dialog);
  const shown = { unit: null, marks: [], table: null, at: -1, zoom: 1, size: [1, 1] };

  const open = (index) => {
    const button = one(`#w${index}`);
    const data = JSON.parse(one(`#m${index}`).textContent);
    shown.unit = Number(index);
    showChannel(button.dataset.channel);
    one("#dialog-title").textContent = button.dataset.title;
    const source = one("img", button)?.src;
    picture.hidden = !source;
    if (source) picture.src = source;
    picture.alt = `Picture of ${button.dataset.title}`;
    draw(data);
    details.replaceChildren(one(`#t${index}`).content.cloneNode(true));
    const list = one("details.spots", details);
    one("summary", list).textContent = `Spots (${shown.marks.length})`;
    // The event comes in a task of its own: by then another well may be open.
    const fill = () => list.isConnected && fillTable(one(".scroll", list), data);
    list.addEventListener("toggle", fill, { once: true });
    if (!dialog.open) {
      dialog.showModal();
      one("#dialog-title").focus();
    }
    zoom(1);
    const order = wells(channel).map((b) => Number(b.dataset.unit));
    tool("previous").disabled = order[0] === shown.unit;
    tool("next").disabled = order.at(-1) === shown.unit;
  };

  // ---- Marks: positions are of pixels, whose centres lie half a pixel in
  const draw = (data) => {
    overlay.replaceChildren();
    overlay.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
    shown.size = [data.width, data.height];
    if (data.circle) {
      const { x, y, radius } = data.circle;
      overlay.append(element("circle", { cx: x + 0.5, cy: y + 0.5, r: radius, class: "edge" }));
    }
    const column = Object.fromEntries(data.columns.map((c) => [c.name, c.values]));
    const least = data.width / 110;
    const artefacts = element("g", { class: "artefacts" });
    for (const { y, x, length, reason, area } of data.artefacts) {
      if (y === null || x === null) continue;
      const half = Math.max((length ?? 0) / 2, 1.4 * least);
      const box = { x: x + 0.5 - half, y: y + 0.5 - half, width: 2 * half, height: 2 * half };
      const text = [`Artefact: ${reason}`];
      if (length !== null) text.push(`length ${length} px`);
      if (area !== null) text.push(`area ${area} px`);
      const mark = element("rect", { ...box, rx: half / 4, tabindex: -1, role: "img", class: "artefact" });
      say(mark, text.join(", "));
      artefacts.append(mark);
    }
    const marks = element("g", { class: "marks", stroke: data.colour });
    marks.setAttribute("aria-label", "Marks of spots; arrow keys up and down go through them");
    marks.setAttribute("role", "group");
    shown.marks = (column.y ?? []).map((y, k) => {
      const r = column.diameter?.[k] ? 0.75 * column.diameter[k] : data.radius;
      const place = { cx: column.x[k] + 0.5, cy: y + 0.5, r: Math.max(r, least) };
      const mark = element("circle", { ...place, tabindex: k ? -1 : 0, role: "img", class: "mark" });
      const values = data.columns
        .filter((c) => c.told && c.values[k] !== null)
        .map((c) => `${c.label} ${c.values[k]}${c.unit ? ` ${c.unit}` : ""}`);
      say(mark, `Spot ${k + 1}: ${values.join(", ")}`);
      mark.addEventListener("focus", () => reach(k));
      return mark;
    });
    marks.append(...shown.marks);
    overlay.append(artefacts, marks);
    shown.at = -1;
    shown.table = null;
    readout.textContent = shown.marks.length
      ? "Point at a mark, or go through them with ↑ and ↓, to see its values."
      : "";
  };
  const say = (mark, text) => {
    mark.setAttribute("aria-label", text);
    const tell = () => (readout.textContent = text);
    // A mark that comes under a resting pointer (by zoom, by keys) is not what is asked for.
    mark.addEventListener("pointermove", (event) => (event.movementX || event.movementY) && tell());
    mark.addEventListener("focus", tell);
  };
  const reach = (k) => {
    if (shown.marks[shown.at]) shown.marks[shown.at].tabIndex = -1;
    shown.at = k;
    shown.marks[k].tabIndex = 0;
    for (const row of all("tr.here", details)) row.classList.remove("here");
    shown.table?.rows[k + 1]?.classList.add("here");
  };
  const fillTable = (place, data) => {
    const told = data.columns.filter((c) => c.told);
    const table = document.createElement("table");
    table.className = "data";
    const head = table.createTHead().insertRow();
    for (const label of ["#", ...told.map((c) => (c.unit ? `${c.label} [${c.unit}]` : c.label))]) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = "number";
      cell.textContent = label;
      head.append(cell);
    }
    const body = table.createTBody();
    shown.marks.forEach((mark, k) => {
      const row = body.insertRow();
      row.addEventListener("click", () => mark.focus());
      for (const value of [k + 1, ...told.map((c) => c.values[k] ?? "")]) {
        const cell = row.insertCell();
        cell.className = "number";
        cell.textContent = value;
      }
    });
    place.replaceChildren(table);
    shown.table = table;
    if (shown.at >= 0) reach(shown.at);
  };

  // ---- Zoom: 1 fits the stage; what is in its middle stays there
  const zoom = (factor) => {
    const middle = ["Width", "Height"].map((side, k) => {
      const scroll = k ? stage.scrollTop : stage.scrollLeft;
      return (scroll + stage[`client${side}`] / 2) / Math.max(canvas[`offset${side}`], 1);
    });
    shown.zoom = Math.min(Math.max(factor, 1), 16);
    const [width, height] = shown.size;
    const fit = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    canvas.style.width = `${Math.floor(width * fit * shown.zoom)}px`;
    canvas.style.height = `${Math.floor(height * fit * shown.zoom)}px`;
    canvas.classList.toggle("near", fit * shown.zoom >= 4);
    stage.scrollLeft = middle[0] * canvas.offsetWidth - stage.clientWidth / 2;
    stage.scrollTop = middle[1] * canvas.offsetHeight - stage.clientHeight / 2;
    if (shown.marks.includes(document.activeElement)) centre(document.activeElement);
    one("#zoom").textContent = `${Math.round(100 * shown.zoom)} %`;
    tool("out").disabled = shown.zoom <= 1;
    tool("in").disabled = shown.zoom >= 16;
  };
  const centre = (mark) => mark.scrollIntoView({ block: "center", inline: "center" });
  window.addEventListener("resize", () => dialog.open && zoom(shown.zoom));
  stage.addEventListener("dblclick", () => zoom(shown.zoom > 1 ? 1 : 3));
  stage.addEventListener("pointerdown", (start) => {
    if (start.button !== 0 || shown.zoom <= 1 || start.pointerType === "touch") return;
    const from = [stage.scrollLeft + start.clientX, stage.scrollTop + start.clientY];
    const move = (event) => {
      stage.scrollLeft = from[0] - event.clientX;
      stage.scrollTop = from[1] - event.clientY;
    };
    window.addEventListener("pointermove", move);
    const end = () => window.removeEventListener("pointermove", move);
    window.addEventListener("pointerup", end, { once: true });
    window.addEventListener("pointercancel", end, { once: true });
    start.preventDefault();
  });

  // ---- What the buttons and the keys do
  const go = (by) => {
    const order = wells(channel).map((b) => Number(b.dataset.unit));
    const next = order[order.indexOf(shown.unit) + by];
    if (next !== undefined) open(next);
  };
  const toggle = (name, hidden) => {
    const off = overlay.classList.toggle(hidden);
    press(tool(name), !off);
  };
  const actions = {
    previous: () => go(-1),
    next: () => go(1),
    close: () => dialog.close(),
    marks: () => toggle("marks", "no-marks"),
    artefacts: () => toggle("artefacts", "no-artefacts"),
    in: () => zoom(1.5 * shown.zoom),
    out: () => zoom(shown.zoom / 1.5),
    fit: () => zoom(1),
    channel: () => {
      const here = one(`#w${shown.unit}`);
      const name = here.dataset.well;
      const same = all("button.well", plate).filter((b) => b.dataset.well === name);
      open(same[(same.indexOf(here) + 1) % same.length].dataset.unit);
    },
    spot: (by) => {
      if (overlay.classList.contains("no-marks")) actions.marks();
      const k = Math.min(Math.max(shown.at + by, 0), shown.marks.length - 1);
      shown.marks[k]?.focus({ preventScroll: true });
      if (shown.zoom > 1 && shown.marks[k]) centre(shown.marks[k]);
    },
  };
  const keys = { ArrowLeft: "previous", ArrowRight: "next", m: "marks", a: "artefacts", "+": "in",
                 "=": "in", "-": "out", "0": "fit", c: "channel" };
  dialog.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name]();
    else if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.shiftKey && event.key.startsWith("Arrow")) {
      const step = { ArrowUp: [0, -40], ArrowDown: [0, 40], ArrowLeft: [-40, 0], ArrowRight: [40, 0] };
      stage.scrollBy(...step[event.key]);
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      if (event.target.closest(".right .scroll, pre")) return; // what scrolls keeps its arrows
      actions.spot(event.key === "ArrowUp" ? -1 : 1);
    } else {
      const name = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!name || !tool(name)) return;
      actions[name]();
    }
    event.preventDefault();
  });
  dialog.addEventListener("close", () => focusWell(one(`#w${shown.unit}`)));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-unit]");
    if (button) open(button.dataset.unit);
  });

  // ---- Tables: a click on a heading sorts, a second one turns the order round
  const text = new Intl.Collator("en", { numeric: true });
  for (const table of all("table.sortable")) {
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      const fields = () => all("tbody tr", table).map((row) => row.cells[column]);
      const numeric = fields().every((f) => f.dataset.value !== undefined || isNumber(f.textContent));
      if (numeric) for (const cell of [heading, ...fields()]) cell.classList.add("number");
      if (heading.classList.contains("fixed")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const falling = heading.getAttribute("aria-sort") === "ascending";
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
        const compare = (a, b) => (numeric ? Number(a) - Number(b) : text.compare(a, b));
        const rows = all("tbody tr", table).map((row) => [value(row), row]);
        rows.sort(([a], [b]) =>
          a === "" || b === "" ? (a === "") - (b === "") : (falling ? -1 : 1) * compare(a, b));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }
  function isNumber(value) {
    return value.trim() === "" || Number.isFinite(Number(value));
  }
})();

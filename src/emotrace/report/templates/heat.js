"use strict";
// Draws the maps of GRACE: on every strip, and over the player. A map is a grid on the face's square, which may be turned.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const result = JSON.parse(document.querySelector("#result").textContent);
  const stills = JSON.parse(document.querySelector("#stills").textContent);
  const most = +document.querySelector("#stills").dataset.most;
  const size = result.source.video ?? { width: 16, height: 9 };
  const NEAR_SECONDS = 0.13;

  // Colours: per step red, green, blue and opacity. Words go from violet over green to yellow, fast at
  // first, so that faint patches are seen; movement goes to light blue. The legend is drawn by the same rule.
  const WORDS = [[68, 1, 84, 0], [59, 82, 139, 0.5], [33, 145, 140, 0.7], [94, 201, 98, 0.8], [253, 231, 37, 0.9]];
  const MOVEMENT = [[0, 90, 200, 0], [0, 130, 240, 0.45], [60, 190, 255, 0.65], [190, 240, 255, 0.85]];
  function colour(ramp, level) {
    const place = Math.min(Math.max(level, 0), 1) ** (ramp === WORDS ? 0.6 : 1) * (ramp.length - 1);
    const low = Math.min(Math.floor(place), ramp.length - 2);
    return ramp[low].map((from, k) => from + (place - low) * (ramp[low + 1][k] - from));
  }

  // One map as a small picture, a pixel a patch.
  function pictureOf({ rows, ramp }) {
    const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
    canvas.width = rows[0].length;
    canvas.height = rows.length;
    const image = context.createImageData(canvas.width, canvas.height);
    rows.flat().forEach((level, k) => {
      const [red, green, blue, opacity] = colour(ramp, level);
      image.data.set([red, green, blue, 255 * opacity], 4 * k);
    });
    context.putImageData(image, 0, 0);
    return canvas;
  }
  function drawMap(context, frame, map) {
    const { width, height } = context.canvas, wide = frame.width * width, high = frame.height * height;
    context.save();
    context.translate((frame.x + frame.width / 2) * width, (frame.y + frame.height / 2) * height);
    context.rotate((frame.roll_degrees * Math.PI) / 180);
    context.strokeStyle = "#fffa";
    context.lineWidth = Math.max(1, width / 400);
    context.strokeRect(-wide / 2, -high / 2, wide, high);
    context.imageSmoothingQuality = "high";
    context.drawImage(pictureOf(map), -wide / 2, -high / 2, wide, high);
    context.restore();
  }
  const mean = (maps, scale) => maps[0].map((row, r) => row.map((_, c) => (scale * maps.reduce((sum, map) => sum + map[r][c], 0)) / maps.length));

  class Panel {
    constructor(element) {
      this.element = element;
      this.person = result.persons[+element.dataset.person];
      this.windows = this.person.expressions;
      this.moments = all(".moment", element);
      this.curve = element.querySelector(".curve");
      this.word = null;
      this.byTime = new Map();
      this.windows.forEach((window, w) => window.frames.forEach((frame, f) => {
        const time = frame.time_seconds;
        if (!this.byTime.has(time)) this.byTime.set(time, []);
        this.byTime.get(time).push([w, f]);
      }));
      this.times = [...this.byTime.keys()].sort((a, b) => a - b);
      for (const view of all(".views input", element)) view.addEventListener("change", () => this.show());
      for (const word of all(".word", element)) word.addEventListener("click", () => this.press(word));
      this.moments.forEach((moment, k) => {
        moment.addEventListener("click", () => go(+moment.dataset.time));
        moment.addEventListener("keydown", (event) => {
          const next = { ArrowRight: k + 1, ArrowLeft: k - 1, Home: 0, End: this.moments.length - 1 }[event.key];
          if (next === undefined || !this.moments[next]) return;
          event.preventDefault();
          moment.tabIndex = -1;
          this.moments[next].tabIndex = 0;
          this.moments[next].focus();
        });
      });
      this.range = element.querySelector(".moment-of");
      if (this.range) this.range.addEventListener("input", () => go(+this.range.value));
      this.show();
    }

    get view() { return this.element.querySelector(".views input:checked").value; }

    // The map at one picture: rows of levels 0..1 and their colours, or null, and what it is where that needs saying.
    at(time) {
      const here = this.byTime.get(time), windows = this.windows;
      if (this.view === "off") return null;
      const motion = () => ({ rows: mean(here.map(([w, f]) => windows[w].motion[f]), 0.01), ramp: MOVEMENT, note: "movement" });
      if (this.word) {
        const links = here.flatMap(([w, f]) => this.word.links.filter(([window]) => window === w).map(([, place]) => windows[w][this.word.kind][place].map[f]));
        return links.length ? { rows: mean(links, 0.01), ramp: WORDS, note: "" } : null;
      }
      if (this.view === "motion") return { ...motion(), note: "" };
      const read = here.filter(([w]) => windows[w].heat_source === "transport");
      if (!read.length) return here.some(([w]) => windows[w].heat_source === "motion") ? motion() : null;
      const [w] = read[0], patches = windows[w].heat.length * windows[w].heat[0].length * windows[w].heat[0][0].length;
      return { rows: mean(read.map(([w, f]) => windows[w].heat[f]), patches / most), ramp: WORDS, note: "" };
    }
    frameAt(time) { const [w, f] = this.byTime.get(time)[0]; return this.windows[w].frames[f]; }
    nearest(t) {
      const time = this.times.reduce((best, each) => (Math.abs(each - t) < Math.abs(best - t) ? each : best));
      return Math.abs(time - t) <= NEAR_SECONDS ? time : null;
    }

    press(word) {
      const chosen = word.getAttribute("aria-pressed") !== "true";
      for (const other of all('.word[aria-pressed="true"]')) other.setAttribute("aria-pressed", "false");
      for (const panel of panels) if (panel !== this && panel.word) { panel.word = null; panel.show(); }
      word.setAttribute("aria-pressed", String(chosen));
      this.word = chosen ? { kind: word.dataset.kind, links: word.dataset.links.split(" ").map((link) => link.split(".").map(Number)) } : null;
      if (chosen && this.view === "off") this.element.querySelector(".views input:not([value=off]):enabled").checked = true;
      this.show();
      if (chosen) go(+word.dataset.peak);
    }

    show() {
      for (const moment of this.moments) this.draw(moment);
      this.legend();
      this.traceWord();
      overlay();
    }
    async draw(moment) {
      const canvas = moment.querySelector("canvas"), context = canvas.getContext("2d"), time = +moment.dataset.time;
      const picture = await still(moment.dataset.still);
      canvas.width = picture ? picture.naturalWidth : 320;
      canvas.height = picture ? picture.naturalHeight : Math.round((320 * size.height) / size.width);
      if (picture) context.drawImage(picture, 0, 0);
      const map = this.at(time);
      if (map) drawMap(context, this.frameAt(time), map);
      canvas.dataset.drawn = "yes";
      moment.querySelector("em").textContent = map ? map.note : this.word ? "not matched here" : this.view === "off" ? "" : "no map";
    }
    legend() {
      const [canvas] = all(".scale canvas", this.element), context = canvas.getContext("2d");
      const words = this.word || this.view === "words";
      context.clearRect(0, 0, canvas.width, canvas.height);
      for (let x = 0; x < canvas.width; x += 1) {
        const [red, green, blue, opacity] = colour(words ? WORDS : MOVEMENT, x / (canvas.width - 1));
        context.fillStyle = `rgb(${red} ${green} ${blue} / ${opacity})`;
        context.fillRect(x, 0, 1, canvas.height);
      }
      this.element.querySelector(".scale").hidden = this.view === "off";
      this.element.querySelector(".scale-text").textContent = this.word ? "0 to 100 % of the word's strongest patch"
        : words ? `0 to ${most} or more times an even spread; one scale for all` : "0 to 100 % of the window's strongest movement";
    }
    traceWord() {
      if (!this.curve) return;
      const line = this.curve.querySelector(".of-word");
      if (!this.word) { line.setAttribute("points", ""); return; }
      const sums = this.times.map((time) => { const map = this.at(time); return map ? map.rows.flat().reduce((a, b) => a + b, 0) : 0; });
      const top = Math.max(...sums, 1e-9), duration = result.source.duration_seconds;
      line.setAttribute("points", this.times.map((time, k) => `${(100 * time) / duration},${1 - sums[k] / top}`).join(" "));
    }
    follow(t) {
      if (this.range && document.activeElement !== this.range) this.range.value = t;
      if (this.curve) for (const end of ["x1", "x2"]) this.curve.querySelector(".here").setAttribute(end, (100 * t) / result.source.duration_seconds);
      const gap = (moment) => Math.abs(+moment.dataset.time - t);
      const here = this.moments.reduce((best, each) => (gap(each) < gap(best) ? each : best));
      for (const moment of this.moments) moment.classList.toggle("here", moment === here && gap(here) <= 0.5);
      if (gap(here) <= 0.5) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - here.parentElement.clientWidth / 3;
    }
  }

  const kept = new Map();
  function still(name) {
    if (!kept.has(name)) kept.set(name, stills[name] ? new Promise((done) => {
      const picture = new Image();
      picture.onload = () => done(picture);
      picture.onerror = () => done(null);
      picture.src = stills[name];
    }) : Promise.resolve(null));
    return kept.get(name);
  }
  const go = (t) => document.dispatchEvent(new CustomEvent("go", { detail: t }));

  // Over the player: everybody's map at the present moment.
  let now = 0;
  const layer = document.querySelector("#heat-map"), toggle = document.querySelector("#show-heat");
  function overlay() {
    if (!layer) return;
    layer.hidden = !toggle.checked;
    const { clientWidth, clientHeight } = layer;
    if (layer.hidden || !clientWidth) return;
    layer.width = clientWidth;
    layer.height = clientHeight;
    for (const panel of panels) {
      const time = panel.nearest(now), map = time === null ? null : panel.at(time);
      if (map) drawMap(layer.getContext("2d"), panel.frameAt(time), map);
    }
  }
  const panels = [];
  for (const element of all(".heat")) panels.push(new Panel(element));
  if (toggle) toggle.addEventListener("change", overlay);
  addEventListener("resize", overlay);
  document.addEventListener("moment", (event) => {
    now = event.detail;
    for (const panel of panels) panel.follow(now);
    overlay();
  });
})();

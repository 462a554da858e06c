"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const result = JSON.parse(one("#result").textContent);
  const duration = result.source.duration_seconds;
  const media = one("#media"), photo = one("#photo"), boxes = one("#boxes");
  const tracks = one("#tracks"), playhead = one("#playhead"), range = one("#range"), nowLine = one("#now");
  const segments = all(".segment:not(.whole)").map((element) => ({
    element, person: element.dataset.person, start: +element.dataset.start, end: +element.dataset.end,
    block: one(`.block[data-segment="${element.id}"]`), words: one(".perceived, .none", element).textContent.replace(/\s+/g, " ").trim(),
  }));
  let position = 0;
  let playable = Boolean(media);

  // Time: the media's own clock where there is one, otherwise a place on the timeline.
  const now = () => (playable ? media.currentTime : position);
  const clock = (t) => (t < 59.95 ? t.toFixed(1) + " s" : `${Math.floor((t + 0.05) / 60)}:${((t + 0.05) % 60).toFixed(1).padStart(4, "0")}`);
  function seek(t) {
    position = Math.min(Math.max(t, 0), duration);
    if (playable) media.currentTime = position;
    paint(position);
  }

  function paint(t) {
    document.dispatchEvent(new CustomEvent("moment", { detail: t })); // whoever else draws over time listens
    if (boxes) drawBoxes(t);
    if (!tracks) return;
    playhead.style.left = (100 * Math.min(t / duration, 1)) + "%";
    const soon = t + 0.001; // players round the time they were sent to
    const current = segments.filter((s) => s.start <= soon && (soon < s.end || (s.end >= duration && t <= s.end + 0.5)));
    for (const s of segments) {
      const on = current.includes(s);
      if (s.on === on) continue;
      s.on = on;
      s.element.classList.toggle("current", on);
      if (s.block) s.block.classList.toggle("current", on);
    }
    const said = `${clock(t)}${current.map((s) => ` · ${s.person}: ${s.words}`).join("")}`;
    nowLine.textContent = said;
    tracks.setAttribute("aria-valuenow", t.toFixed(1));
    tracks.setAttribute("aria-valuetext", `${said} (of ${clock(duration)})`);
  }

  // Faces: the box between two samples is drawn between them; after half a second without a sample there is none.
  const people = result.persons.filter((p) => p.boxes.length).map((person) => {
    const element = document.createElement("div"), name = document.createElement("span");
    element.className = "box";
    element.append(name);
    if (boxes) boxes.append(element);
    return { person, element, name, labels: person.overall.verdict.labels.map((l) => l.word).join(", ") };
  });
  function boxAt(list, t) {
    let low = 0, high = list.length;
    while (low < high) { const middle = (low + high) >> 1; if (list[middle].time_seconds <= t) low = middle + 1; else high = middle; }
    const a = list[low - 1] ?? list[0], b = list[low] ?? a;
    const gap = b.time_seconds - a.time_seconds;
    if (gap > 1.01 ? Math.min(Math.abs(t - a.time_seconds), Math.abs(b.time_seconds - t)) > 0.5 : gap === 0 && Math.abs(t - a.time_seconds) > 0.5) return null;
    const f = gap > 0 && gap <= 1.01 ? Math.min(Math.max((t - a.time_seconds) / gap, 0), 1) : (Math.abs(b.time_seconds - t) < Math.abs(t - a.time_seconds) ? 1 : 0);
    const mix = (key) => a[key] + f * (b[key] - a[key]);
    return { x: mix("x"), y: mix("y"), width: mix("width"), height: mix("height") };
  }
  function drawBoxes(t) {
    for (const { person, element, name, labels } of people) {
      const box = boxAt(person.boxes, t);
      element.hidden = !box;
      if (!box) continue;
      element.style.left = 100 * box.x + "%";
      element.style.top = 100 * box.y + "%";
      element.style.width = 100 * box.width + "%";
      element.style.height = 100 * box.height + "%";
      element.classList.toggle("low", box.y < 0.08);
      const here = person.segments.findLast((s) => s.span.start_seconds <= t + 0.001 && t <= s.span.end_seconds);
      const words = here ? here.verdict.labels.map((l) => l.word).join(", ") || "no verdict" : labels;
      const text = words ? `${person.id} · ${words}` : person.id;
      if (name.textContent !== text) name.textContent = text;
    }
  }

  // Evidence: a chip or a bar goes to its moment and marks it wherever it is shown.
  function light(key, start, end) {
    for (const old of all(".lit")) old.classList.remove("lit");
    for (const mark of all(`[data-key="${key}"]`)) mark.classList.add("lit");
    if (!range) return;
    range.hidden = false;
    range.style.left = 100 * start / duration + "%";
    range.style.width = `max(2px, ${100 * (end - start) / duration}%)`;
  }
  document.addEventListener("click", (event) => {
    const mark = event.target.closest(".chip, .o, .evidence li"), block = event.target.closest(".block");
    if (mark) {
      const key = mark.dataset.key ?? mark.dataset.of, row = one(`[data-of="${key}"]`);
      seek(+row.dataset.start);
      light(key, +row.dataset.start, +row.dataset.end);
    } else if (block) {
      const segment = document.getElementById(block.dataset.segment);
      segment.open = true;
      segment.scrollIntoView({ block: "start" });
      seek(+segment.dataset.start);
    } else if (tracks && tracks.contains(event.target)) {
      const frame = tracks.getBoundingClientRect();
      seek(duration * (event.clientX - frame.left) / frame.width);
    }
  });

  // What a chip stands for is said when it is asked for: thousands of copies would swell the page.
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, (event) => {
    const chip = event.target.closest?.(".chip");
    const row = chip && !chip.title && one(`[data-of="${chip.dataset.key}"]`);
    if (row) chip.title = row.textContent.replace(/\s+/g, " ").trim();
  });

  document.addEventListener("go", (event) => seek(event.detail));

  if (tracks) {
    nowLine.hidden = false;
    tracks.addEventListener("keydown", (event) => {
      const t = now(), step = event.shiftKey ? 1 : 0.2;
      const starts = segments.map((s) => s.start).sort((a, b) => a - b);
      const go = {
        ArrowRight: () => t + step, ArrowLeft: () => t - step, ArrowUp: () => t + step, ArrowDown: () => t - step, Home: () => 0, End: () => duration,
        PageDown: () => starts.find((s) => s > t + 0.05) ?? duration, PageUp: () => starts.findLast((s) => s < t - 0.05) ?? 0,
      }[event.key];
      if (go) { event.preventDefault(); seek(go()); }
      if ((event.key === " " || event.key === "Enter") && playable) { event.preventDefault(); if (media.paused) media.play(); else media.pause(); }
    });
    let zoom = 1;
    const setZoom = (value) => {
      zoom = Math.min(Math.max(value, 1), 64);
      tracks.style.width = 100 * zoom + "%";
      const scroller = tracks.parentElement;
      scroller.scrollLeft = tracks.offsetWidth * now() / duration - scroller.clientWidth / 2;
    };
    one(".zoom").hidden = false;
    one("#zoom-in").addEventListener("click", () => setZoom(zoom * 2));
    one("#zoom-out").addEventListener("click", () => setZoom(zoom / 2));
  }

  if (media) {
    const follow = () => { paint(media.currentTime); if (!media.paused && !media.ended) requestAnimationFrame(follow); };
    media.addEventListener("play", follow);
    for (const name of ["timeupdate", "seeked", "loadedmetadata"]) media.addEventListener(name, () => paint(media.currentTime));
    media.addEventListener("error", () => { playable = false; one("#media-error").hidden = false; });
    if (media.error) { playable = false; one("#media-error").hidden = false; }
  }
  if (photo) photo.addEventListener("error", () => { one("#media-error").hidden = false; });
  const boxSwitch = one("#show-boxes");
  if (boxSwitch) boxSwitch.addEventListener("change", () => { boxes.hidden = !boxSwitch.checked; });

  for (const button of all(".expand")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const mine = all(`details[id^="${button.dataset.person}"]`), open = mine.some((d) => !d.open);
      for (const details of mine) details.open = open;
      button.textContent = open ? "Close all" : "Open all";
    });
  }
  const themes = ["automatic", "light", "dark"], theme = one("#theme");
  const setTheme = (name) => {
    if (name === "automatic") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
    theme.textContent = "Theme: " + name;
  };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const present = document.documentElement.dataset.theme ?? "automatic";
    setTheme(themes[(themes.indexOf(present) + 1) % themes.length]);
  });
  const wanted = /^#theme=(light|dark)$/.exec(location.hash);
  if (wanted) setTheme(wanted[1]);

  const save = one("#save");
  save.hidden = false;
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([one("#result").textContent], { type: "application/json" }));
    link.download = result.source.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_") + ".emotrace.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  let opened = [];
  addEventListener("beforeprint", () => { opened = all("details:not([open])"); for (const d of opened) d.open = true; });
  addEventListener("afterprint", () => { for (const d of opened) d.open = false; });
  paint(0);
})();

"use strict";
(() => {
  const one = (id) => document.getElementById(id);
  const API = "/v1/analyses";
  const STAGES = { sending: "Sending", checking: "Opening the file", queued: "Waiting", starting: "Starting", watching: "Watching the picture", listening: "Listening to the sound", reasoning: "Weighing the evidence", writing: "Writing the report" };
  const WHY = { no_person: "nobody is seen or heard", no_evidence: "too little was observed to judge from", low_quality: "picture and sound are too poor to trust", low_margin: "no reading stands out from its rivals", modalities_disagree: "face, voice and words point to different emotions" };
  let about, current = null, open = null, next = null;

  // Asking. Every error of the server has one shape.
  class Refused extends Error {
    constructor(status, error) { super(error.hint ? `${sentence(error.message)} ${sentence(error.hint)}` : sentence(error.message)); this.status = status; }
  }
  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");
  const problem = (text) => { try { return JSON.parse(text).error; } catch { return { message: "The server did not answer as expected" }; } };
  async function ask(path, options) {
    const answer = await fetch(path, options);
    if (!answer.ok) throw new Refused(answer.status, problem(await answer.text()));
    return answer.status === 204 ? null : answer.json();
  }
  async function trying(work) {
    one("trouble").hidden = true;
    try {
      return await work();
    } catch (error) {
      if (error.status === 401) return lock();
      trouble(error instanceof Refused ? error.message : "The server cannot be reached.");
    }
  }
  function trouble(text) { one("trouble").textContent = text; one("trouble").hidden = false; }
  function tell(text) { one("told").textContent = text; }
  function lock() { one("work").hidden = true; one("unlock").hidden = false; one("key").focus(); }

  // Sending: fetch tells nothing of how much has gone, so this is the one place for XMLHttpRequest.
  function send(file, transcript) {
    const form = new FormData();
    if (transcript) form.append("transcript", transcript, transcript.name);
    if (one("text").value.trim() && !transcript) form.append("text", one("text").value);
    form.append("purpose", one("purpose").value);
    for (const id of ["use_video", "use_audio"]) form.append(id, one(id).checked);
    form.append("file", file, file.name);
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", API);
      request.upload.onprogress = (event) => stage("sending", event.lengthComputable ? event.loaded / event.total : null);
      request.upload.onload = () => stage("checking", null);
      request.onload = () => (request.status === 202 ? resolve(JSON.parse(request.responseText)) : reject(new Refused(request.status, problem(request.responseText))));
      request.onerror = () => reject(new Error("no answer"));
      request.onabort = () => resolve(null);
      current = { abort: () => request.abort() };
      request.send(form);
    });
  }
  async function analyse(file, transcript) {
    if (current) return trouble("One file at a time: wait until this one is done, or stop it.");
    if (about && file.size > about.upload_bytes) return trouble(`${file.name} is larger than the limit of ${megabytes(about.upload_bytes)}.`);
    begin(file.name);
    await trying(async () => {
      const status = await send(file, transcript);
      if (status) { await list(); await follow(status); }
    });
    end();
    await list().catch(() => {}); // whatever went wrong has been told
  }
  async function resume(status) {
    begin(status.name);
    await follow(status);
    end();
    await list().catch(() => {});
  }
  function begin(name) {
    one("current-name").textContent = name;
    one("current").hidden = false;
    one("sample").disabled = one("file").disabled = true;
    stage("sending", 0);
  }
  function end() {
    current = null;
    one("current").hidden = true;
    one("sample").disabled = one("file").disabled = false;
    one("file").value = one("transcript").value = "";
  }
  let said = "";
  function stage(name, share, position) {
    const bar = one("bar");
    if (share === null || share === undefined) bar.removeAttribute("value"); else bar.value = share;
    const words = (STAGES[name] ?? name) + (position ? `: ${position} before this one` : "");
    one("stage").textContent = share ? `${words}, ${Math.round(100 * share)} %` : words;
    if (words !== said) tell(said = words); // a reader hears each stage once, not each per cent
  }

  // Progress, until it is finished one way or another.
  function follow(status) {
    return new Promise((resolve) => {
      const source = new EventSource(`${API}/${status.id}/events`);
      const stopped = () => { source.close(); resolve(); };
      current = { abort: () => ask(`${API}/${status.id}`, { method: "DELETE" }) };
      source.addEventListener("progress", (event) => {
        const now = JSON.parse(event.data);
        stage(now.state === "queued" ? "queued" : now.stage, now.share, now.position);
      });
      source.addEventListener("done", () => { stopped(); tell(`${status.name} is done.`); show(status, true); });
      source.addEventListener("failed", (event) => { stopped(); trouble(new Refused(0, JSON.parse(event.data).error).message); });
      source.addEventListener("cancelled", () => { stopped(); tell(`${status.name} was stopped.`); });
      source.onerror = () => { if (source.readyState === EventSource.CLOSED) { stopped(); trouble("The server cannot be reached."); } };
    });
  }

  // The report.
  function show(status, focus) {
    const here = `${API}/${status.id}`;
    open = status.id;
    one("shown").hidden = false;
    one("shown-name").textContent = status.name;
    one("report").src = one("alone").href = `${here}/report`;
    one("json").href = `${here}/result`;
    one("json").download = `${status.name}.emotrace.json`;
    history.replaceState(null, "", `#${status.id}`);
    mark();
    if (focus) { one("shown-name").focus({ preventScroll: true }); one("shown").scrollIntoView({ block: "start" }); }
  }
  function hide() {
    open = null;
    one("shown").hidden = true;
    one("report").removeAttribute("src");
    history.replaceState(null, "", location.pathname);
  }
  const mark = () => { for (const item of one("history").children) item.classList.toggle("open", item.dataset.id === open); };

  // History.
  async function list(more) {
    const page = await ask(more && next ? `${API}?before=${next}` : API);
    const items = page.analyses.map(item);
    more ? one("history").append(...items) : one("history").replaceChildren(...items);
    next = page.next;
    one("more").hidden = !next;
    one("nothing").hidden = one("history").children.length > 0;
    mark();
    return page.analyses;
  }
  function make(tag, className, text) {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  }
  function item(status) {
    const element = make("li", "", "");
    element.dataset.id = status.id;
    const when = new Date(status.created).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const acts = make("div", "acts", "");
    if (status.state === "done") acts.append(button("Open", `Open ${status.name}`, () => show(status, true)));
    acts.append(button("Delete", `Delete ${status.name}`, () => remove(status, element)));
    element.append(make("span", "name", status.name), verdict(status), make("span", "when", `${when} · ${megabytes(status.bytes)}`), acts);
    return element;
  }
  function button(text, label, work) {
    const element = make("button", "", text);
    element.type = "button";
    element.setAttribute("aria-label", label);
    element.addEventListener("click", work);
    return element;
  }
  function verdict(status) {
    if (status.state === "failed") return make("span", "verdict failed", sentence(status.error.message));
    if (status.state !== "done") return make("span", "verdict none", status.state === "running" ? "being analysed" : status.state);
    const { labels, confidence, confidence_basis: basis, abstain } = status.summary;
    if (abstain) return make("span", "verdict none", `No verdict: ${WHY[abstain] ?? abstain}`);
    const element = make("span", "verdict", labels.join(", "));
    element.append(make("small", "", ` confidence ${confidence.toFixed(2)}${basis === "simulated" ? ", calibrated in simulation only" : ""}`));
    return element;
  }
  const megabytes = (bytes) => (bytes < 1e5 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`);

  async function remove(status, element) {
    one("sure-text").textContent = `${status.name}, its report and its media are removed from the server for good.`;
    const dialog = one("sure");
    dialog.returnValue = "keep";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "delete") return;
    await trying(async () => {
      const after = element.nextElementSibling ?? element.previousElementSibling;
      await ask(`${API}/${status.id}`, { method: "DELETE" });
      if (open === status.id) hide();
      await list();
      tell(`${status.name} is deleted.`);
      (one("history").querySelector(`[data-id="${after?.dataset.id}"] button:last-of-type`) ?? one("file")).focus();
    });
  }

  // What a person can do.
  const drop = one("drop");
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length > 1) return trouble("Drop one file at a time; many are for `emotrace annotate`.");
    if (event.dataTransfer.files[0]) analyse(event.dataTransfer.files[0], one("transcript").files[0]);
  });
  one("file").addEventListener("change", () => { if (one("file").files[0]) analyse(one("file").files[0], one("transcript").files[0]); });
  one("sample").addEventListener("click", () => trying(async () => {
    const [clip, words] = await Promise.all(["sample.mp4", "sample.srt"].map(async (name) => (await fetch(`/page/${name}`)).blob()));
    await analyse(new File([clip], "talk.mp4"), new File([words], "talk.srt"));
  }));
  one("stop").addEventListener("click", () => trying(async () => current?.abort()));
  one("more").addEventListener("click", () => trying(() => list(true)));
  one("format").addEventListener("change", () => {
    const link = document.createElement("a");
    link.href = `${API}/${open}/export?to=${one("format").value}`;
    link.download = "";
    link.click();
    one("format").selectedIndex = 0;
  });
  one("unlock").addEventListener("submit", (event) => {
    event.preventDefault();
    ask("/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key: one("key").value }) })
      .then(() => { one("key").value = ""; one("unlock").hidden = true; one("key").setCustomValidity(""); return start(); })
      .catch((error) => { one("key").setCustomValidity(error.message); one("key").reportValidity(); });
  });
  one("key").addEventListener("input", () => one("key").setCustomValidity(""));

  async function start() {
    about = await ask("/v1/about");
    const minutes = about.duration_seconds / 60;
    one("limits").textContent = `up to ${megabytes(about.upload_bytes)} and ${minutes < 2 ? `${Math.round(about.duration_seconds)} s` : `${Math.round(minutes)} min`}`;
    const hours = about.keep_hours;
    one("kept").textContent = `Files and results stay on this server and are deleted after ${hours >= 2 ? `${Math.round(hours)} hours` : `${Math.max(1, Math.round(60 * hours))} minutes`}, or at once when you delete them. emotrace ${about.version}`;
    one("purpose").replaceChildren(...about.purposes.map((name) => new Option(name, name, false, name === about.default_purpose)));
    one("format").replaceChildren(new Option("…", ""), ...Object.entries(about.formats).map(([name, what]) => new Option(`${name}: ${what}`, name)));
    await trying(async () => {
      const analyses = await list();
      one("work").hidden = false;
      const wanted = analyses.find((status) => status.id === location.hash.slice(1) && status.state === "done");
      if (wanted) show(wanted, false);
      const unfinished = analyses.find((status) => status.state === "queued" || status.state === "running");
      if (unfinished) resume(unfinished); // the page was left, or loaded again, while it was at work
    });
  }
  start().catch(() => { one("work").hidden = false; trouble("The server cannot be reached."); });
})();

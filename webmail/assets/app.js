"use strict";
// Everything works without this script; with it some things are quicker.
(() => {
  // The first page has its style in itself; the next one finds it in the cache.
  const style = document.body.dataset.style;
  if (style) fetch(style).catch(() => {});

  const all = document.querySelector("[data-select-all]");
  if (all) {
    const boxes = [...document.querySelectorAll(".list input[type=checkbox]")];
    all.closest("label").hidden = false;
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    boxes.forEach((box) => box.addEventListener("change", () => {
      const count = boxes.filter((one) => one.checked).length;
      all.checked = count === boxes.length;
      all.indeterminate = count > 0 && count < boxes.length;
    }));
  }

  // What is wrong with a form is read out first; a short form has the focus where one types.
  document.getElementById("errors")?.focus();

  const letter = document.querySelector("[data-letter]");
  if (letter) {
    const saved = letter.querySelector("[data-saved]");
    let timer = 0, busy = false, done = false;
    const content = () => {
      const data = new FormData(letter);
      data.delete("file");
      data.delete("add");
      data.set("action", "autosave");
      return data;
    };
    let kept = new URLSearchParams(content()).toString();
    const later = () => { clearTimeout(timer); timer = setTimeout(keep, 3000); };
    const keep = async () => {
      const now = new URLSearchParams(content()).toString();
      if (busy || done || now === kept) return;
      busy = true;
      try {
        const answer = await fetch("/compose", { method: "POST", body: content() });
        // Who was logged out meanwhile is sent to the login page.
        if (answer.status === 409) { done = true; saved.textContent = await answer.text(); }
        else if (answer.redirected || !answer.ok) { saved.textContent = letter.dataset.unsaved; later(); }
        else if (answer.status === 200) { kept = now; saved.textContent = await answer.text(); }
      } catch (_) { saved.textContent = letter.dataset.unsaved; later(); }
      busy = false;
    };
    letter.addEventListener("input", (event) => { if (event.target.name !== "file") later(); });
    for (const form of [letter, document.getElementById("discard")]) {
      form.addEventListener("submit", () => { done = true; clearTimeout(timer); });
    }
    addEventListener("pageshow", () => { done = false; });
    addEventListener("pagehide", () => {
      if (!done && !busy && new URLSearchParams(content()).toString() !== kept) navigator.sendBeacon("/compose", content());
    });

    // Files go up at once, with a bar; the page that comes back has them in its list.
    const upload = (input) => {
      const bar = letter.querySelector("progress");
      const data = content(), names = [...input.files].map((file) => file.name).join(", ");
      for (const file of input.files) data.append("file", file);
      data.set("action", "attach");
      const ask = new XMLHttpRequest();
      busy = true;
      bar.hidden = false;
      saved.textContent = letter.dataset.uploading;
      ask.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
      ask.addEventListener("loadend", () => {
        busy = false;
        bar.hidden = true;
        saved.textContent = "";
        const page = ask.response;
        const files = page && page.getElementById("files");
        if (!files) { saved.textContent = letter.dataset.failed; return; }
        letter.querySelector("#files").replaceWith(files);
        const errors = page.getElementById("errors");
        document.getElementById("errors")?.remove();
        // What described its fields goes with it.
        for (const field of letter.querySelectorAll("[aria-describedby~=errors]")) {
          const rest = field.getAttribute("aria-describedby").split(" ").filter((id) => id !== "errors").join(" ");
          if (rest) { field.setAttribute("aria-describedby", rest); } else { field.removeAttribute("aria-describedby"); }
          field.removeAttribute("aria-invalid");
        }
        if (errors) { letter.before(errors); errors.focus(); } else { saved.textContent = `${letter.dataset.uploaded} ${names}`; files.querySelector("input[type=file]").focus(); }
        watch();
        kept = "";
        later();
      });
      ask.open("POST", "/compose");
      ask.responseType = "document";
      ask.send(data);
    };
    const watch = () => {
      const input = letter.querySelector("input[type=file]");
      letter.querySelector("[data-attach]").hidden = true;
      input.addEventListener("change", () => { if (input.files.length && !busy) upload(input); });
    };
    watch();

    // Simple formatting, for who asks for it; until then the letter is plain text.
    const text = letter.querySelector("#text"), editor = letter.querySelector("#rich"), html = letter.elements.html;
    const format = letter.querySelector("[data-format]"), linking = letter.querySelector("#linking");
    const address = linking.querySelector("input"), change = letter.querySelector("[data-switch]");
    const offer = change.textContent;
    const sync = () => {
      html.value = editor.innerHTML;
      text.value = editor.innerText;
    };
    // Lines, and what is quoted in quotes.
    const lay = (lines, into, depth) => {
      for (let at = 0; at < lines.length;) {
        const start = at, quoted = depth < 20 && lines[at].startsWith(">");
        if (!quoted) {
          const line = document.createElement("div");
          line.append(lines[at] || document.createElement("br"));
          into.append(line);
          at += 1;
          continue;
        }
        while (at < lines.length && lines[at].startsWith(">")) at += 1;
        const quote = document.createElement("blockquote");
        lay(lines.slice(start, at).map((line) => line.replace(/^> ?/, "")), quote, depth + 1);
        into.append(quote);
      }
    };
    const turn = (on) => {
      const had = document.activeElement === text || document.activeElement === change;
      editor.hidden = format.hidden = html.disabled = !on;
      text.hidden = on;
      linking.hidden = true;
      change.textContent = on ? change.dataset.off : offer;
      if (on) { document.execCommand("defaultParagraphSeparator", false, "div"); sync(); }
      if (had) (on ? editor : text).focus();
    };
    change.hidden = false;
    change.addEventListener("click", () => {
      const on = text.hidden;
      if (!on) { editor.replaceChildren(); lay(text.value.split("\n"), editor, 0); }
      turn(!on);
      later();
    });
    if (text.dataset.html) { editor.innerHTML = text.dataset.html; turn(true); kept = new URLSearchParams(content()).toString(); }
    editor.addEventListener("input", sync);
    editor.addEventListener("paste", (event) => {
      event.preventDefault();
      document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
    });
    const inQuote = () => {
      const at = getSelection().anchorNode;
      const near = at && (at.nodeType === 1 ? at : at.parentElement).closest("blockquote");
      return near && editor.contains(near);
    };
    document.addEventListener("selectionchange", () => {
      if (editor.hidden || !editor.contains(getSelection().anchorNode)) return;
      for (const button of format.querySelectorAll("[aria-pressed]")) {
        const what = button.dataset.do;
        button.setAttribute("aria-pressed", String(Boolean(what === "quote" ? inQuote() : document.queryCommandState(what))));
      }
    });
    let range = null;
    const open = (on) => {
      linking.hidden = !on;
      format.querySelector("[data-do=link]").setAttribute("aria-expanded", String(on));
    };
    const setLink = () => {
      const to = address.value.trim();
      open(false);
      editor.focus();
      if (!to || !range) return;
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      const url = /^(https?:|mailto:)/i.test(to) ? to : to.includes("@") ? "mailto:" + to : "https://" + to;
      if (range.collapsed) {
        const link = document.createElement("a");
        link.href = url;
        link.textContent = to;
        range.insertNode(link);
        range.setStartAfter(link);
        range.collapse(true);
      } else { document.execCommand("createLink", false, url); }
      sync();
      later();
    };
    format.addEventListener("mousedown", (event) => event.preventDefault());
    format.addEventListener("click", (event) => {
      const what = event.target.closest("button")?.dataset.do;
      if (!what) return;
      const selection = getSelection();
      if (!editor.contains(selection.anchorNode)) { editor.focus(); selection.selectAllChildren(editor); selection.collapseToEnd(); }
      if (what === "link") {
        range = selection.getRangeAt(0).cloneRange();
        open(linking.hidden);
        if (!linking.hidden) { address.value = ""; address.focus(); }
        return;
      }
      editor.focus();
      if (what !== "quote") { document.execCommand(what); }
      else if (inQuote()) { document.execCommand("outdent"); }
      else { document.execCommand("formatBlock", false, "blockquote"); }
    });
    linking.querySelector("[data-link]").addEventListener("click", setLink);
    address.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); setLink(); }
      if (event.key === "Escape") { open(false); editor.focus(); }
    });

    // People of the directory, for the last address of a field.
    const list = document.getElementById("people");
    let asked = 0;
    for (const field of letter.querySelectorAll("[data-people]")) {
      field.addEventListener("input", async () => {
        const cut = Math.max(field.value.lastIndexOf(","), field.value.lastIndexOf(";")) + 1;
        const before = field.value.slice(0, cut), word = field.value.slice(cut).trim();
        const number = ++asked;
        if (word.length < 2 || word.includes("<")) { list.replaceChildren(); return; }
        const answer = await fetch("/people?q=" + encodeURIComponent(word)).catch(() => null);
        if (!answer || !answer.ok || number !== asked) return;
        const found = await answer.json();
        list.replaceChildren(...found.map((person) => {
          const option = document.createElement("option");
          option.value = (before ? before + " " : "") + person;
          return option;
        }));
      });
    }
  }

  // Passkeys: the browser asks the device, and a form brings its answer.
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  for (const form of document.querySelectorAll("[data-passkey]")) {
    if (!window.PublicKeyCredential) break;
    // Browsers before 2023 would make a passkey that nobody can be told of.
    const tells = window.AuthenticatorAttestationResponse?.prototype.getAuthenticatorData;
    if (form.dataset.passkey === "create" && !tells) break;
    form.hidden = false;
    document.querySelectorAll("[data-passkey-missing]").forEach((one) => { one.hidden = true; });
    const error = form.querySelector("[data-passkey-error]"), button = form.querySelector("button");
    const fields = form.elements, creates = form.dataset.passkey === "create";
    const say = (what) => {
      error.textContent = what;
      error.hidden = false;
    };
    const ask = async () => {
      const body = new URLSearchParams({ csrf: fields.csrf.value });
      if (creates) body.set("password", fields.password.value);
      const answer = await fetch(form.action + "/options", { method: "POST", body });
      // The session is over: the page says it better.
      if (!(answer.headers.get("content-type") || "").includes("json")) {
        location.reload();
        return false;
      }
      const options = await answer.json();
      if (!answer.ok) {
        say(options.error);
        fields.password?.select();
        return false;
      }
      options.challenge = bytes(options.challenge);
      if (creates) {
        options.user.id = bytes(options.user.id);
        for (const one of options.excludeCredentials) one.id = bytes(one.id);
      }
      const found = await navigator.credentials[form.dataset.passkey]({ publicKey: options });
      const said = found.response;
      fields.client.value = text(said.clientDataJSON);
      if (creates) {
        fields.authenticator.value = text(said.getAuthenticatorData());
        // It was shown, and goes over the line once.
        fields.password.disabled = true;
      } else {
        fields.credential.value = found.id;
        fields.user.value = text(said.userHandle || new ArrayBuffer(0));
        fields.authenticator.value = text(said.authenticatorData);
        fields.signature.value = text(said.signature);
      }
      return true;
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      error.hidden = button.disabled = true;
      try {
        if (await ask()) form.submit();
      } catch (why) {
        const { known, elsewhere, failed } = form.dataset;
        say(why.name === "InvalidStateError" && known || why.name === "SecurityError" && elsewhere || failed);
      }
      button.disabled = false;
    });
  }

  const undo = document.querySelector("[data-undo]");
  if (undo) {
    const text = undo.previousElementSibling;
    let left = Number(undo.dataset.undo);
    const words = text.textContent.split(String(left));
    const tick = () => {
      left -= 1;
      if (left > 0) { text.setAttribute("role", "none"); text.textContent = words.join(String(left)); setTimeout(tick, 1000); }
      else if (!document.querySelector(".list :checked")) { setTimeout(() => location.replace("/sent?sent=1"), 700); }
      else { undo.remove(); }
    };
    setTimeout(tick, 1000);
  }

  // Single keys, unless their user has switched them off: pages say with data-key what each presses.
  if ("keys" in document.body.dataset) {
    const rows = [...document.querySelectorAll(".list > li")];
    const row = () => document.activeElement.closest(".list > li");
    const step = (by) => {
      const at = rows.indexOf(row()) + (row() ? by : 1);
      rows[Math.min(Math.max(at, 0), rows.length - 1)]?.querySelector("a").focus();
    };
    const own = {
      "j": () => step(1),
      "k": () => step(-1),
      "o": () => row()?.querySelector("a").click(),
      "x": () => row()?.querySelector("input[type=checkbox]")?.click(),
      "/": () => document.getElementById("q").focus(),
      "?": () => { location.href = "/keys"; },
    };
    let first = "", timer = 0;
    addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
      if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.key.length > 1) return;
      const keys = first + event.key;
      first = "";
      clearTimeout(timer);
      if (keys === "g") {
        first = "g ";
        timer = setTimeout(() => { first = ""; }, 1500);
        return;
      }
      const target = document.querySelector(`[data-key="${CSS.escape(keys)}"]`);
      if (!target && !own[keys]) return;
      event.preventDefault();
      if (!target) { own[keys](); return; }
      // In a list a key means what is ticked, or else the line that has the focus.
      if (target.closest(".picking") && !document.querySelector(".list :checked")) {
        const box = row()?.querySelector("input[type=checkbox]");
        if (!box) return;
        box.checked = true;
      }
      target.click();
    });
  }
})();

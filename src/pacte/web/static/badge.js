/* <pacte-badge purpose="newsletter" lang="fr" token="…">link</pacte-badge>: what is used here, why, since when, the last
   use, the switch, the proof. Without this script, or without an answer, the link inside stays. */
(() => {
  const home = new URL(document.currentScript.src).origin;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`:host{display:inline-block;color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif;max-width:26rem}
button{font:inherit;min-height:2.75rem;padding:.3rem .9rem;border:2px solid;border-radius:1.4rem;background:none;color:inherit;cursor:pointer}
:focus-visible{outline:3px solid Highlight;outline-offset:2px}
div{border:1px solid GrayText;border-radius:10px;padding:.8rem 1rem;margin-top:.4rem;background:Canvas;color:CanvasText}
h2{font-size:1.1rem;margin:0}dt{font-weight:600}dd{margin:0 0 .4rem}a{margin-right:1rem;color:inherit}[hidden]{display:none}
[role=switch]{display:flex;gap:.6rem;align-items:center;border:0;padding:.2rem 0;margin-top:.5rem;text-align:left}
[role=switch]::before{content:"";flex:none;width:2.4rem;height:1.3rem;border:2px solid;border-radius:1rem;forced-color-adjust:none;background:radial-gradient(circle at .55rem 50%,currentColor .36rem,transparent .4rem)}
[role=switch][aria-checked=true]::before{background:radial-gradient(circle at calc(100% - .55rem) 50%,Canvas .36rem,currentColor .4rem)}`);
  const made = (tag, text = "", more = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(more)) element.setAttribute(name, value);
    return element;
  };

  class Badge extends HTMLElement {
    static observedAttributes = ["purpose", "lang", "token"];
    connectedCallback() {
      if (!this.root) {
        this.root = this.attachShadow({ mode: "open" });
        this.root.adoptedStyleSheets = [sheet];
        this.root.append(made("slot"));
        this.root.addEventListener("keydown", (event) => {
          if (event.key === "Escape" && this.panel && !this.panel.hidden) { this.toggle(false); this.opener.focus(); }
        });
      }
      this.load();
    }
    attributeChangedCallback(name, old) { if (old !== null && this.root) this.load(); }

    async ask(body) {
      const lang = this.lang || document.documentElement.lang || "", token = this.getAttribute("token"), headers = {};
      if (token) headers.Authorization = `Bearer ${token}`;
      if (body) headers["Content-Type"] = "application/json";
      const answer = await fetch(`${home}/badge/${encodeURIComponent(this.getAttribute("purpose"))}?lang=${encodeURIComponent(lang)}`,
        { method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers, credentials: "include" });
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    }
    async load() {
      try { this.show(await this.ask()); } catch { /* the link inside stays */ }
    }
    toggle(open) {
      this.panel.hidden = !open;
      this.opener.setAttribute("aria-expanded", open);
    }
    show(said) {
      const open = this.panel ? !this.panel.hidden : false;
      this.opener = made("button", said.words.open, { type: "button", "aria-controls": "panel" });
      this.panel = made("div", "", { id: "panel", role: "group", "aria-label": said.title });
      this.opener.addEventListener("click", () => this.toggle(this.panel.hidden));
      const facts = made("dl"), state = made("p", "", { role: "status" });
      for (const [name, value] of [...said.facts, ...(said.own?.facts || [])]) facts.append(made("dt", name), made("dd", value));
      this.panel.append(made("h2", said.title), made("p", said.why), facts);
      for (const one of said.own?.switches || []) this.panel.append(this.switch(one, said, state));
      this.panel.append(state);
      const links = made("p");
      for (const [name, href] of said.links) links.append(made("a", name, { href }));
      this.panel.append(links);
      this.root.replaceChildren(this.opener, this.panel);
      this.toggle(open);
    }
    switch({ name, label, on, seen }, { own, words }, state) {
      const shown = `${label} · ${on ? words.on : words.off}`;
      const flip = made("button", shown, { type: "button", role: "switch", "aria-checked": on, "data-name": name });
      flip.addEventListener("click", async () => {
        try {
          this.show(await this.ask({ name, on: !on, seen, notice: own.notice }));
          this.root.querySelector(`[data-name="${name}"]`)?.focus();
          this.root.querySelector("[role=status]").textContent = words.saved;
        } catch { state.textContent = words.failed; }
      });
      return flip;
    }
  }
  customElements.define("pacte-badge", Badge);
})();

/* <script src="https://…/fr/forms/embed.js" data-form="newsletter" data-title="…" defer></script> puts the form there, in
   a frame: its words stay ours, no cookie is needed, and the page around sees nothing of what is typed. A frame that was
   written by hand grows with what it shows as well. */
(() => {
  const me = document.currentScript, home = new URL(me.src), { form, title } = me.dataset;
  if (form) {
    const frame = document.createElement("iframe");
    frame.src = home.origin + home.pathname.replace(/embed\.js$/, `${encodeURIComponent(form)}/embed`);
    frame.title = title || form;
    frame.style.cssText = "width:100%;border:0;height:40rem";
    me.after(frame);
  }
  addEventListener("message", ({ origin, source, data }) => {
    const height = data && data.pacteHeight;
    if (origin !== home.origin || !Number.isInteger(height)) return;
    for (const frame of document.querySelectorAll("iframe"))
      if (frame.contentWindow === source) frame.style.height = `${Math.min(height, 6000)}px`;
  });
})();

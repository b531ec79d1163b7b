// Pages that are opened from a disk may start no worker, which the search is: there a hidden frame is one.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.documentElement.append(frame);
      const inner = frame.contentWindow;
      this.postMessage = (data) => waiting.push(data);
      this.terminate = () => frame.remove();
      inner.postMessage = (data) => {
        const message = new MessageEvent("message", { data });
        this.dispatchEvent(message);
        this.onmessage?.(message);
      };
      const script = inner.document.createElement("script");
      script.src = new URL(url, location.href);
      script.addEventListener("load", () => {
        this.postMessage = (data) => inner.dispatchEvent(new MessageEvent("message", { data }));
        waiting.forEach(this.postMessage);
      });
      inner.document.body.append(script);
    }
  };
}

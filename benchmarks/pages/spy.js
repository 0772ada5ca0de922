/*
 * Runs in each page before anything else of it: when the page before went, and when the first audio reached
 * playout here. What lies between is told by the product's own marks (`talknow:…`).
 */
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const seen = { left: Number(sessionStorage.getItem("bench:left")), heard: 0, pcs: [] };
  Object.defineProperty(window, "__bench", { value: seen });
  addEventListener("pagehide", () => sessionStorage.setItem("bench:left", String(now())));
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      seen.pcs.push(this);
      const timer = setInterval(() => {
        // Nothing is heard before; asking the receivers stops the page's main thread for a while.
        if (!["connected", "closed"].includes(this.connectionState)) return;
        const heard = this.getReceivers().some((one) => one.getSynchronizationSources().length > 0);
        if (heard && seen.heard === 0) seen.heard = now();
        if (heard || this.connectionState === "closed") clearInterval(timer);
      }, 4);
    }
  };
})();

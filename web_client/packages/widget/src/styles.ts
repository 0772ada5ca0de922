/**
 * The style sheet of the shadow root. Everything is reset at the host, so that the company's styles
 * do not come in; contrast is at least 4.5:1 for text and 3:1 for controls (WCAG 2.2 AA).
 */
export const STYLES = `
:host { all: initial; position: fixed; right: 20px; bottom: 20px; z-index: 2147483000; color-scheme: light; }
@media print { :host { display: none; } }
*, *::before, *::after { box-sizing: border-box; }
.talk {
  --ink: #15222e; --quiet: #52616e; --line: #d8dfe5; --paper: #fff; --ground: #f4f7f9;
  --brand: #0b4f8a; --brand-dark: #083c69; --go: #0b7a4b; --stop: #b3261e; --warn: #fff4dc;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); -webkit-font-smoothing: antialiased; text-align: left;
}
button { font: inherit; color: inherit; border: 0; background: none; cursor: pointer; padding: 0; margin: 0; }
button:disabled { cursor: default; opacity: .45; }
:focus-visible { outline: 3px solid #6db3f2; outline-offset: 2px; }
p { margin: 0; }
.icon { width: 22px; height: 22px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.launcher {
  display: grid; place-items: center; position: relative; margin-left: auto; width: 60px; height: 60px; border-radius: 50%;
  background: var(--brand); color: #fff; box-shadow: 0 6px 20px rgb(8 40 70 / .32); transition: background .15s, transform .15s;
}
.launcher:hover { background: var(--brand-dark); transform: translateY(-1px); }
.launcher.in-call { background: var(--go); }
.launcher .icon { width: 28px; height: 28px; }
.badge {
  position: absolute; top: -4px; right: -4px; min-width: 22px; height: 22px; padding: 0 6px; border-radius: 11px;
  background: var(--stop); color: #fff; font-size: 12px; font-weight: 700; line-height: 22px; text-align: center;
}
.panel {
  position: absolute; right: 0; bottom: 76px; display: flex; flex-direction: column; width: 384px;
  height: min(660px, calc(100vh - 116px)); height: min(660px, calc(100dvh - 116px)); overflow: hidden;
  background: var(--paper); border-radius: 16px; box-shadow: 0 12px 48px rgb(8 40 70 / .28), 0 0 0 1px rgb(8 40 70 / .07);
  animation: rise .18s ease-out;
}
.ledger {
  position: fixed; left: 0; bottom: 0; display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; max-width: min(640px, calc(100vw - 92px));
  padding: 10px 14px 12px; border-radius: 0 14px 0 0; background: var(--paper); color: var(--ink);
  box-shadow: 0 4px 18px rgb(8 40 70 / .3); border: 2px solid var(--stop); border-width: 2px 2px 0 0;
}
.ledger :is(.details, .small, .code) { flex-basis: 100%; }
.looks { display: flex; align-items: baseline; gap: 4px 10px; }
.ledger .row { margin: 0; }
.ledger .row button, .allowed button { min-height: 34px; padding: 0 13px; font-size: 14px; }
.looks .plain { font-size: 14px; min-height: 26px; }
@media (hover: none) { .keys { display: none; } }
.details { display: flex; flex-direction: column; gap: 6px; padding-bottom: 8px; border-bottom: 1px solid var(--line); font-size: 13.5px; }
.allowed { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 4px 12px; }
.ledger::before { content: ""; position: fixed; inset: 0; border: 4px solid var(--stop); pointer-events: none; }
.code strong { font-size: 22px; letter-spacing: .08em; white-space: nowrap; }
.talk > .suggestion {
  position: absolute; z-index: 1; right: 0; bottom: 76px; width: min(360px, calc(100vw - 40px)); margin: 0; background: var(--paper);
  box-shadow: 0 12px 48px rgb(8 40 70 / .28);
}
.primary.stop { background: var(--stop); }
@keyframes rise { from { opacity: 0; transform: translateY(10px); } }
header { display: flex; align-items: center; gap: 10px; padding: 12px 14px; background: var(--brand); color: #fff; }
.avatar { display: grid; place-items: center; flex: none; width: 40px; height: 40px; border-radius: 50%; background: rgb(255 255 255 / .2); font-weight: 700; }
.who { display: flex; flex-direction: column; flex: 1; min-width: 0; line-height: 1.25; }
.who strong, .who span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.who span { font-size: 13px; color: #dceaf6; }
.primary, .secondary {
  display: inline-flex; align-items: center; justify-content: center; gap: 8px; min-height: 40px; padding: 0 16px;
  border-radius: 20px; font-weight: 600; white-space: nowrap;
}
.primary { background: var(--brand); color: #fff; }
.primary:hover { background: var(--brand-dark); }
.secondary { background: #e8eef3; color: var(--ink); }
.secondary:hover { background: #dbe4eb; }
header .talk-now { background: #fff; color: var(--brand-dark); }
header .talk-now:hover { background: #e6f1fa; }
.talk-now .icon { width: 18px; height: 18px; }
.plain { color: var(--brand); font-weight: 600; text-decoration: underline; }
.round { display: grid; place-items: center; flex: none; width: 40px; height: 40px; border-radius: 50%; color: var(--quiet); }
.round:hover { background: #e8eef3; }
header .round { color: #fff; }
header .round:hover { background: rgb(255 255 255 / .18); }
.sheet-close { display: none; }
.wide { width: 100%; margin-top: 8px; }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 10px; }
.tick { display: flex; align-items: center; gap: 8px; padding: 3px 0; }
.small, .wording { font-size: 12.5px; color: var(--quiet); }
.wording { padding: 0 16px 8px; }
.link-state, .queue { padding: 8px 16px; font-size: 13.5px; background: var(--ground); border-bottom: 1px solid var(--line); }
.link-state { background: var(--warn); }
.queue { border: 0; border-top: 1px solid var(--line); }
.notice { display: flex; gap: 12px; align-items: flex-start; justify-content: space-between; margin: 0 12px 8px; padding: 10px 12px; border-radius: 10px; background: var(--warn); font-size: 13.5px; }
.card { margin: 0 12px 10px; padding: 14px; border: 1px solid var(--line); border-radius: 12px; background: var(--ground); }
.messages { display: flex; flex-direction: column; flex: 1; gap: 6px; min-height: 0; padding: 16px; overflow-y: auto; overscroll-behavior: contain; }
.messages:focus-visible { outline-offset: -3px; }
.bubble { max-width: 82%; padding: 8px 12px 6px; border-radius: 16px; overflow-wrap: anywhere; white-space: pre-wrap; }
.theirs { align-self: flex-start; background: #eaf0f4; border-bottom-left-radius: 5px; }
.mine { align-self: flex-end; background: var(--brand); color: #fff; border-bottom-right-radius: 5px; }
.greeting { margin-bottom: 6px; }
.waiting { background: #33689a; }
.bubble a { color: inherit; text-decoration: underline; }
.meta { display: flex; justify-content: flex-end; align-items: center; gap: 4px; margin-top: 2px; font-size: 11.5px; color: var(--quiet); }
.mine .meta { color: #dceaf6; }
.meta .icon { width: 15px; height: 15px; }
.status { display: inline-flex; }
.status.read { color: #8df0c0; }
.happening { align-self: center; padding: 4px 0; font-size: 12.5px; color: var(--quiet); text-align: center; }
.older { align-self: center; }
.typing { display: flex; gap: 4px; align-self: flex-start; padding: 12px 14px; border-radius: 16px; background: #eaf0f4; }
.typing i { width: 7px; height: 7px; border-radius: 50%; background: var(--quiet); animation: blink 1.2s infinite; }
.typing i:nth-child(2) { animation-delay: .2s; }
.typing i:nth-child(3) { animation-delay: .4s; }
@keyframes blink { 0%, 60%, 100% { opacity: .3; } 30% { opacity: 1; } }
.photo { display: block; margin: -2px -6px 2px; border-radius: 11px; overflow: hidden; }
.photo img { display: block; max-width: 100%; max-height: 260px; object-fit: cover; }
.file { display: flex; align-items: center; gap: 8px; width: 100%; padding: 6px 2px; text-align: left; }
.file-name { flex: 1; min-width: 0; font-weight: 600; text-decoration: underline; }
.file-size { font-size: 12px; white-space: nowrap; }
.composer { position: relative; padding: 8px 12px 8px; border-top: 1px solid var(--line); }
textarea { display: block; width: 100%; max-height: 132px; padding: 9px 12px; border: 1px solid #8795a1; border-radius: 12px; font: inherit; font-size: 16px; color: inherit; background: #fff; resize: none; }
textarea::placeholder { color: #667582; opacity: 1; }
.tools { display: flex; align-items: center; gap: 2px; margin-top: 4px; }
.length { flex: 1; font-size: 12.5px; color: var(--quiet); text-align: right; padding-right: 8px; }
.length.over { color: var(--stop); font-weight: 700; }
.send { background: var(--brand); color: #fff; }
.send:hover { background: var(--brand-dark); }
.send:disabled { background: #52616e; opacity: 1; color: #fff; }
fieldset { margin: 0; min-width: 0; }
.emoji { position: absolute; left: 12px; bottom: calc(100% + 6px); display: grid; grid-template-columns: repeat(7, 40px); max-height: 216px; padding: 8px; overflow-y: auto; background: #fff; border: 1px solid var(--line); border-radius: 12px; box-shadow: 0 6px 24px rgb(8 40 70 / .2); }
.emoji button { width: 40px; height: 40px; border-radius: 8px; font-size: 22px; }
.emoji button:hover { background: #e8eef3; }
.ended { display: flex; flex-direction: column; align-items: center; gap: 10px; padding: 16px; border-top: 1px solid var(--line); }
.call { padding: 10px 14px; background: #0f2b22; color: #fff; }
.call-row { display: flex; align-items: center; gap: 10px; }
.call-state { flex: 1; min-width: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.call-buttons { display: flex; align-items: center; gap: 6px; }
.call .round { background: rgb(255 255 255 / .14); color: #fff; }
.call .round:hover { background: rgb(255 255 255 / .26); }
.call .round.on { background: #fff; color: #0f2b22; }
.call .hang-up, .call .hang-up:hover { background: var(--stop); }
.call .small { margin-top: 8px; color: #cfe3da; }
.level { display: flex; align-items: flex-end; gap: 3px; height: 18px; }
.level i { width: 4px; height: 100%; border-radius: 2px; background: rgb(255 255 255 / .25); }
.level i:nth-child(1) { height: 30%; } .level i:nth-child(2) { height: 48%; } .level i:nth-child(3) { height: 65%; } .level i:nth-child(4) { height: 82%; }
.level[data-lit="1"] i:nth-child(-n+1), .level[data-lit="2"] i:nth-child(-n+2), .level[data-lit="3"] i:nth-child(-n+3),
.level[data-lit="4"] i:nth-child(-n+4), .level[data-lit="5"] i { background: #4fe0a0; }
.pictures { position: relative; margin: -10px -14px 10px; background: #000; }
.pictures .remote { display: block; width: 100%; max-height: 250px; object-fit: contain; }
.pictures .remote.screen { max-height: none; }
.pictures figure { position: relative; margin: 0; }
.pictures figcaption { position: absolute; left: 6px; bottom: 6px; padding: 1px 8px; border-radius: 8px; background: rgb(0 0 0 / 65%); color: #fff; font-size: 12px; }
.pictures:not([data-count="1"]) { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; }
.pictures:not([data-count="1"]) .screen { grid-column: 1 / -1; }
.pictures .preview { position: absolute; right: 10px; bottom: 10px; width: 96px; border: 2px solid #fff; border-radius: 8px; transform: scaleX(-1); }
.pictures:not([data-count="0"], [data-count="1"]) .preview { width: 56px; }
.pictures.only-me { padding: 10px; text-align: right; background: transparent; }
.pictures.only-me .preview { position: static; }
@media (max-width: 480px) {
  :host { right: 14px; bottom: 14px; }
  .open .launcher { visibility: hidden; }
  .sheet-close { display: grid; }
  .ledger { padding: 8px 10px 10px; font-size: 14px; }
  /* Beside a question there is room for who looks and how to end it. */
  .suggestion ~ .ledger :is(.small, .details) { display: none; }
  .panel .ledger { position: static; width: auto; max-width: none; margin: 0; padding-inline: 16px; border-radius: 0; border: 0; border-bottom: 2px solid var(--stop); box-shadow: none; }
  .panel { position: fixed; inset: 0; width: auto; height: 100vh; height: 100dvh; border-radius: 0; animation: none; padding-bottom: env(safe-area-inset-bottom); }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .launcher, .primary, .secondary, .round { border: 1px solid; } }
`;

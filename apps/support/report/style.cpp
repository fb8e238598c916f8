// CSS of a report. The colours of plots, light and dark, are those of svg_style.
#include "apps/support/report/parts.h"

namespace ladder::apps {

std::string_view report_style() {
  return R"(
:root {
  --r1: #e3edf6; --r2: #c3d9ec; --r3: #93bcdd; --r4: #669fce; --r5: #2a6da6; --r6: #134c85;
  --w1: #fbeee2; --w2: #f6d6b8; --w3: #eeb382; --w4: #de8b4d; --w5: #ad500d; --w6: #843a05;
  --low: #1b1e25; --high: #ffffff; --alarm: #a3320b; --rail: #e9e7e1; --faint: #dddbd5;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --r1: #1c2a37; --r2: #203e58; --r3: #25567e; --r4: #6da8d9; --r5: #97c4ea; --r6: #c3dff6;
    --w1: #34281e; --w2: #54361b; --w3: #7a4817; --w4: #d58740; --w5: #eea663; --w6: #fac999;
    --low: #eceef2; --high: #0d1014; --alarm: #f2a07c; --rail: #292e37; --faint: #30353f;
  }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 var(--sans);
  font-variant-numeric: tabular-nums; overflow-wrap: break-word }
.page { max-width: 1160px; margin: 0 auto; padding: 0 20px }
header { padding: 56px 0 8px }
.brand { margin: 0 0 10px; color: var(--soft); font-size: 13px; font-weight: 600;
  letter-spacing: .02em }
h1 { margin: 0; font-size: clamp(28px, 5vw, 42px); line-height: 1.15; font-weight: 680;
  letter-spacing: -.022em; text-wrap: balance }
.subtitle { margin: 12px 0 0; max-width: 62ch; color: var(--soft); font-size: 18px;
  line-height: 1.5 }
nav ol { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 24px 0 0; padding: 0;
  list-style: none; font-size: 14px }
nav a { display: inline-block; padding: 4px 0; color: var(--soft); text-decoration: none }
nav a:hover, nav a:focus-visible { color: var(--ink); text-decoration: underline;
  text-underline-offset: 4px }
section { margin: 72px 0; scroll-margin-top: 24px }
h2 { margin: 0 0 20px; font-size: 27px; line-height: 1.25; font-weight: 660;
  letter-spacing: -.016em; text-wrap: balance }
h3 { margin: 48px 0 12px; font-size: 18px; line-height: 1.35; font-weight: 640;
  letter-spacing: -.006em }
p { margin: 0 0 16px; max-width: 66ch }
.note { color: var(--soft); font-size: 14.5px }
.lead { font-size: 18px; line-height: 1.55 }
.alarm { color: var(--alarm); font-weight: 600 }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 14px;
  padding: 20px }
figure { margin: 0 0 24px }
figcaption { margin-top: 14px; color: var(--soft); font-size: 14px; line-height: 1.5;
  max-width: 66ch }
figure.small figcaption { margin: 0; font-size: 13px; line-height: 1.4 }
figure.small figcaption strong { display: block; color: var(--ink); font-size: 14px;
  font-weight: 620 }
.plot, .heat { display: block; width: 100%; height: auto }
.heat { max-width: 420px; margin: 0 auto; border-radius: 6px }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(136px, 1fr));
  gap: 26px 20px; margin: 20px 0 0; align-items: end }
.panels figure, .level figure { margin: 0 }
.panels figcaption { margin-bottom: 6px }
.level { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px 16px;
  padding: 16px 0; border-top: 1px solid var(--rule) }
.level:first-child { padding-top: 0; border-top: 0 }
.level:last-child { padding-bottom: 0 }
.level h4 { grid-column: 1 / -1 }
.level figcaption { text-align: right }
h4 { margin: 0; font-size: 14px; font-weight: 620; line-height: 1.4 }
h4 span { display: block; font-size: 13px; font-weight: 400; color: var(--soft) }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr));
  gap: 20px; align-items: start; margin: 20px 0 }
.beside > figure, .beside > p { margin: 0 }
.narrow { display: block } .wide { display: none }

.outcome { margin: 40px 0 56px; display: grid; gap: 36px }
.outcome > div > :last-child { margin-bottom: 0 }
.eyebrow { margin: 0; font-size: 15px; font-weight: 600; letter-spacing: 0; color: var(--soft) }
.big { margin: 2px 0 14px; font-size: clamp(76px, 17vw, 124px); line-height: 1.05;
  font-weight: 500; letter-spacing: -.045em }
.big span { margin-left: .12em; font-size: .4em; font-weight: 400; letter-spacing: 0;
  color: var(--soft) }
.big.unknown { font-size: clamp(40px, 9vw, 64px); letter-spacing: -.03em; color: var(--soft) }
.outcome figure { margin: 0 }
.tiles { margin: 0; display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1px;
  background: var(--rule); border: 1px solid var(--rule); border-radius: 14px; overflow: hidden }
.tiles div { padding: 14px 16px; background: var(--card) }
.tiles div:last-child:nth-child(odd) { grid-column: 1 / -1 }
.tiles dt { font-size: 13px; color: var(--soft) }
.tiles dd { margin: 2px 0 0; font-size: 23px; line-height: 1.3; font-weight: 620;
  letter-spacing: -.012em }
.tiles dd span { display: block; font-size: 12.5px; line-height: 1.4; font-weight: 400;
  letter-spacing: 0; color: var(--soft) }
.compare > div { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 16px;
  align-items: center; padding: 10px 0; border-top: 1px solid var(--rule) }
.compare .what { margin: 0; font-weight: 600; font-size: 15px; line-height: 1.4 }
.compare .what span { display: block; font-weight: 400; font-size: 13px; color: var(--soft) }
.compare .value { margin: 0; font-weight: 620; font-size: 17px; text-align: right }
.compare .scale { grid-column: 1 / -1; grid-row: 2 }
.scale { display: block; width: 100%; height: 18px; overflow: visible }
.span { fill: var(--c); opacity: .36 }
.rail { fill: var(--rail) }
.f { fill: var(--c) } .ring { stroke: var(--paper); stroke-width: 2 }
.card .ring { stroke: var(--card) }
.track { display: block; width: 100%; height: 8px }
.faint { --c: var(--faint) }
.warnings { margin: 0 0 56px; padding: 18px 22px; border: 1px solid var(--rule);
  border-left: 4px solid var(--second); border-radius: 4px 14px 14px 4px; background: var(--card) }
.warnings h2 { margin: 0 0 6px; font-size: 16px; letter-spacing: 0 }
.warnings ul { margin: 0; padding-left: 20px } .warnings li { margin: 4px 0; max-width: 66ch }

.scroll { overflow-x: auto; max-width: 100% }
table { width: 100%; border-collapse: collapse; font-size: 14.5px; line-height: 1.45 }
caption { text-align: left; padding: 0 0 10px; color: var(--soft); font-size: 14px }
th, td { padding: 7px 10px 7px 0; text-align: left; vertical-align: baseline;
  border-top: 1px solid var(--rule) }
th:last-child, td:last-child { padding-right: 0 }
thead th, thead td { border-top: 0; color: var(--soft); font-size: 13px; font-weight: 600;
  vertical-align: bottom }
tbody th { min-width: 84px; font-weight: 560; overflow-wrap: anywhere }
tbody td { overflow-wrap: anywhere } td.n { white-space: nowrap }
td span { color: var(--soft) }
.n { text-align: right }
.drawn { width: 30%; min-width: 60px; padding-left: 8px; vertical-align: middle }
.matrix { table-layout: fixed; border-collapse: separate; border-spacing: 2px; font-size: 12.5px }
.matrix th, .matrix td { padding: 0; border: 0; border-radius: 4px }
.matrix tbody th { min-width: 0; padding-right: 6px; text-align: right; font-size: 12px; font-weight: 500;
  color: var(--soft); vertical-align: middle }
.matrix { max-width: max(260px, calc(var(--head) + var(--columns, 10) * 46px)) }
.matrix thead td, .matrix tbody th { width: var(--head) }
.matrix thead th { height: 1px; vertical-align: bottom; text-align: center; font-size: 12px;
  font-weight: 500 }
.matrix thead span { display: inline-block; padding: 2px 0 }
.turned thead span { writing-mode: vertical-rl; transform: rotate(180deg);
  white-space: nowrap }
.matrix td { height: 30px; text-align: center; vertical-align: middle }
.matrix td.h0 { color: var(--soft); background: var(--ground) }
.heat .ground { fill: var(--ground) }
.r1 { background: var(--r1); fill: var(--r1) } .r2 { background: var(--r2); fill: var(--r2) }
.r3 { background: var(--r3); fill: var(--r3) } .r4 { background: var(--r4); fill: var(--r4) }
.r5 { background: var(--r5); fill: var(--r5) } .r6 { background: var(--r6); fill: var(--r6) }
.w1 { background: var(--w1); fill: var(--w1) } .w2 { background: var(--w2); fill: var(--w2) }
.w3 { background: var(--w3); fill: var(--w3) } .w4 { background: var(--w4); fill: var(--w4) }
.w5 { background: var(--w5); fill: var(--w5) } .w6 { background: var(--w6); fill: var(--w6) }
.matrix :is(.r1, .r2, .r3, .w1, .w2, .w3) { color: var(--low) }
.matrix :is(.r5, .r6, .w5, .w6) { color: var(--high) }
.matrix :is(.r4, .w4) { color: #0d1014 }
.images td { display: flex; flex-wrap: wrap; gap: 4px }
.images th { width: 112px; vertical-align: middle; font-size: 13px; font-weight: 500; color: var(--soft) }
.pixels { display: block; width: 56px; height: 56px; object-fit: contain; image-rendering: pixelated;
  border-radius: 4px; background: #000 }
.images .pixels { width: calc((100% - 36px) / 10); min-width: 44px; height: auto }

.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 16px 0; padding: 0;
  list-style: none; font-size: 13.5px; line-height: 1.4; color: var(--soft) }
.legend li { display: flex; align-items: center; gap: 7px }
.swatch { width: 18px; height: 14px; flex: none }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 250px), 1fr));
  gap: 14px; margin: 20px 0 0; padding: 0; list-style: none }
.unsure { display: flex; gap: 16px; padding: 16px }
.unsure > div { flex: 1; min-width: 0 }
.unsure p { margin: 0 } .unsure .what { font-weight: 600; font-size: 14.5px; line-height: 1.4 }
.unsure .given { font-size: 13px; color: var(--soft) }
.unsure .given strong { color: var(--ink); font-weight: 600 }
.unsure ul, .bars { display: grid; grid-template-columns: fit-content(60%) minmax(40px, 1fr) auto;
  gap: 5px 12px; align-items: center; margin: 10px 0 0; padding: 0; list-style: none;
  font-size: 13px; line-height: 1.4 }
.bars { gap: 7px 14px; margin: 0; font-size: 14px }
.unsure ul li, .bars li { display: contents }
.mapped .plot { max-width: 520px; margin: 0 auto }
.pairs { margin: 0; display: grid; grid-template-columns: repeat(auto-fit,
  minmax(min(100%, 290px), 1fr)); gap: 0 40px; font-size: 14.5px }
.pairs div { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: 12px;
  padding: 7px 0; border-bottom: 1px solid var(--rule) }
.pairs dt { color: var(--soft); overflow-wrap: anywhere }
.pairs dd { margin: 0; overflow-wrap: anywhere }
pre { margin: 0 0 24px; white-space: pre-wrap; overflow-wrap: anywhere }
code { font: 13.5px/1.65 var(--mono) }
details { margin-top: 12px; font-size: 14.5px }
summary { padding: 8px 0; color: var(--accent); cursor: pointer }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 4px }
footer { margin: 96px 0 0; padding: 20px 0 56px; border-top: 1px solid var(--rule);
  color: var(--soft); font-size: 13.5px }

@media (max-width: 559px) {
  section { margin: 56px 0 }
  .card { padding: 16px }
  .matrix { border-spacing: 1px; font-size: 11px } .matrix td { height: 27px }
  .extra { display: none } .drawn { width: 36% }
  table { font-size: 13.5px } th, td { padding-right: 8px } thead th { font-size: 12px }
  .images th { display: block; width: auto; border: 0; padding: 10px 0 0 }
  .images td { border: 0; padding: 4px 0 } .images tr { display: block }
}
@media (min-width: 700px) {
  .panels { grid-template-columns: repeat(auto-fill, minmax(168px, 1fr)); gap: 30px 28px }
  .level { grid-template-columns: minmax(0, 9fr) repeat(3, minmax(0, 13fr)); gap: 10px 24px }
  .level h4 { grid-column: 1 }
  .mapped { display: grid; grid-template-columns: minmax(0, 520px) minmax(0, 1fr); gap: 32px }
  .mapped .legend { flex-direction: column; flex-wrap: wrap; align-content: flex-start;
    margin: 8px 0; max-height: 460px }
  .narrow { display: none } .wide { display: block }
  .compare > div { grid-template-columns: minmax(0, 5fr) minmax(0, 9fr) 84px; gap: 0 24px;
    padding: 8px 0 }
  .compare .scale { grid-column: 2; grid-row: 1 }
  .tiles { grid-template-columns: repeat(3, minmax(0, 1fr)) }
  .tiles div:last-child:nth-child(odd) { grid-column: auto }
}
@media (min-width: 1040px) {
  .layout { display: grid; grid-template-columns: 168px minmax(0, 1fr); gap: 56px }
  nav { position: sticky; top: 32px; align-self: start; margin-top: 44px }
  nav ol { display: block; margin: 0; border-left: 1px solid var(--rule) }
  nav a { display: block; padding: 5px 0 5px 16px; line-height: 1.35 }
  .outcome { grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); gap: 36px 48px;
    align-items: center }
  .outcome figure { grid-column: 1 / -1 }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)) }
}
@media print {
  :root { --paper: #ffffff }
  nav { display: none } .layout { display: block }
  figure, .card, tr { break-inside: avoid } h2, h3 { break-after: avoid }
}
)";
}

}  // namespace ladder::apps

// How a report looks, on screen and on paper.
#pragma once

namespace fedval::harness {

inline constexpr const char* page_style = R"css(
:root { color-scheme: light; }
body { margin: 0 auto; padding: 2.5rem 2rem 4rem; max-width: 1200px; background: #fff; color: #1a1a1a;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .4rem; font-weight: 650; }
h2 { font-size: 1.35rem; margin: 3rem 0 .8rem; padding-top: .6rem; border-top: 2px solid #1a1a1a; }
h2 small { font-size: .85rem; font-weight: 400; color: #555; margin-left: .5rem; overflow-wrap: anywhere; }
h3 { font-size: 1.08rem; margin: 2.2rem 0 .6rem; }
p { max-width: 48rem; margin: .5rem 0; }
a { color: #00507d; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.4rem; margin: .6rem 0 1rem; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .82rem; margin: .6rem 0; }
caption { text-align: left; padding: .2rem 0 .45rem; color: #333; }
thead th { border-top: 1.5px solid #1a1a1a; border-bottom: 1px solid #1a1a1a; font-weight: 600;
  vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 1.5px solid #1a1a1a; }
th, td { text-align: left; padding: .26rem .36rem; vertical-align: top; overflow-wrap: break-word; }
th:first-child, td:first-child { padding-left: .1rem; }
tbody th { font-weight: 500; }
.numbers td, .numbers th + th { text-align: right; }
tbody th { max-width: 22rem; }
.numbers td { white-space: nowrap; }
.wide { overflow-x: auto; }
.note, .measures { font-size: .86rem; color: #444; }
.measures { margin: .3rem 0 1rem; max-width: 62rem; }
details { margin: .8rem 0; }
summary { cursor: pointer; color: #00507d; }
pre { background: #f6f6f6; border: 1px solid #ddd; padding: .8rem 1rem; font-size: .82rem; line-height: 1.4;
  white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 1.4rem 0 2rem; }
figcaption { font-size: .88rem; color: #333; max-width: 54rem; margin-top: .5rem; }
svg { display: block; max-width: 100%; height: auto; font-family: inherit; }
svg [font-family] { font-family: inherit; }
.axis { font-weight: 600; }
figure > svg + .panels { margin-top: .6rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 1rem 1.2rem; }
.panel p { margin: 0 0 .1rem; font-size: .84rem; line-height: 1.35; color: #444; overflow-wrap: anywhere; }
.panel b { display: block; color: #1a1a1a; }
.panel svg { width: 100%; }
@media print {
  @page { size: A4; margin: 15mm 13mm; }
  body { max-width: none; padding: 0; color: #000; font-size: 9.5pt; }
  h2 small, dt, .note, .measures, figcaption, .panel p { color: #000; }
  h2, h3, caption { break-after: avoid; }
  tr, .panel, figure > svg, figcaption, pre { break-inside: avoid; }
  figcaption { break-before: avoid; }
  figure > svg { break-after: avoid; }
  thead { display: table-header-group; }
  .run { break-before: page; }
  .run:first-of-type { break-before: auto; }
  .wide { overflow: visible; }
  table { font-size: 7.6pt; }
  th, td { padding: .2rem .4rem; }
  figure > svg + .panels { margin-top: .6rem; }
.panels { grid-template-columns: repeat(3, 1fr); gap: .6rem .8rem; }
  a { color: #000; text-decoration: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

}  // namespace fedval::harness

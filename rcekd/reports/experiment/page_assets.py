"""The style sheet and the script of a report's HTML page: how it looks, and how its tables sort."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1d21; --soft: #5b616b; --line: #c9cdd4; --faint: #f4f5f7;
  --link: #1a4f8b; --aim: #fff4cc; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e6e8eb; --soft: #9aa1ab; --line: #3c414a;
  --faint: #1f2227; --link: #8fb8ea; --aim: #4a421f; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 92rem; padding: 2.5rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 Charter, "Bitstream Charter", "Source Serif 4", Cambria, Georgia, "DejaVu Serif", serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .75rem; }
.lead { max-width: 46rem; color: var(--soft); margin: 0 0 1rem; white-space: pre-line; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: .6rem 0; border-block: 1px solid var(--line);
  font-size: .9rem; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
td a.source { color: inherit; }
section > ul { padding-left: 1.1rem; max-width: 60rem; margin: .25rem 0; }
.sheet { margin: 0 0 2.25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums lining-nums; font-size: .92rem;
  border-top: 2px solid var(--ink); border-bottom: 2px solid var(--ink); }
caption { text-align: left; font-weight: 600; padding: 0 0 .5rem; }
th, td { padding: .28rem .5rem; text-align: right; white-space: nowrap; font-weight: normal; }
th[scope=row], th.words { text-align: left; }
th[scope=row], thead tr:last-child th:first-child { position: sticky; left: 0; background: var(--paper); }
thead tr:last-child th { border-bottom: 1px solid var(--ink); vertical-align: bottom; }
thead th.group { text-align: center; border-bottom: 1px solid var(--line); font-style: italic; }
thead button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
thead button:hover { color: var(--link); }
th[aria-sort] button::after { content: " \\25B4"; color: var(--soft); font-size: .8em; }
th[aria-sort=descending] button::after { content: " \\25BE"; }
tbody tr:hover > * { background: var(--faint); }
tbody:not(.sorted) tr.rule > *, tfoot tr > * { border-top: 1px solid var(--line); }
tr:target > * { background: var(--aim); }
u { text-underline-offset: .18em; text-decoration-thickness: 1.5px; }
.sd { color: var(--soft); font-size: .82em; }
.paper { color: var(--soft); font-size: .82em; font-style: italic; margin-left: .35em; }
.room { display: inline-block; width: 4.2em; margin-left: .35em; font-size: .82em; }
.paper { display: inline-block; width: 4.2em; text-align: left; }
.notes { list-style: none; padding: 0; margin: .5rem 0 0; color: var(--soft); font-size: .85rem; max-width: 70rem; }
figure { margin: 0 0 2rem; }
figure img { min-width: min(100%, 30rem); max-width: 100%; background: #ffffff; border: 1px solid var(--line);
  padding: .5rem; }
figcaption { color: var(--soft); font-size: .9rem; padding-top: .4rem; }
details.origin { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; }
details details { margin: .25rem 0 .25rem 1rem; font-size: .9rem; }
#provenance table { font-size: .8rem; margin-top: .75rem; }
#provenance td { text-align: left; }
#provenance thead th { text-align: left; }
pre { background: var(--faint); padding: .75rem 1rem; overflow-x: auto; font-size: .8rem; line-height: 1.4; }
@media (max-width: 40rem) { body { padding: 1.25rem 1rem 3rem; } h1 { font-size: 1.5rem; }
  th, td { padding: .28rem .5rem; } table { font-size: .85rem; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #999; --link: #000;
  --faint: #fff; --aim: #fff; } @page { size: A4 landscape; margin: 14mm; } body { max-width: none; padding: 0;
  font-size: 9.5pt; } nav, details:not([open]) { display: none; } .wide { overflow: visible; }
  .sheet, figure { break-inside: avoid; } h2 { break-after: avoid; } th[aria-sort] button::after { content: ""; } }
"""

# A click sorts by a column, numbers by their full value; entries without a number stay last. A link to the origin of a
# number opens what it is folded into.
SCRIPT = """
"use strict";
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const numeric = !head.classList.contains("words");
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric && column > 0;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = row => { const order = row.cells[column].dataset.order; return order === undefined ? NaN : +order; };
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (isNaN(x) && isNaN(y)) {
        const words = a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", {numeric: true});
        return down ? -words : words;
      }
      if (isNaN(x)) return 1;
      if (isNaN(y)) return -1;
      return down ? y - x : x - y;
    });
    body.classList.add("sorted");
    body.append(...rows);
  }));
}
const unfold = () => {
  const aim = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!aim) return;
  for (let node = aim; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  aim.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();
"""

"""A run as one page of HTML, without anything to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from openmessaging.conformance.case import SECTIONS, Case, Outcome, Status
from openmessaging.conformance.report import Report

MARKS = {
    Status.PASS: "✓",
    Status.EMULATED: "≈",
    Status.UNDECLARED: "+",
    Status.UNSUPPORTED: "\u2013",
    Status.SKIPPED: "·",
    Status.FAIL: "✗",
}
"""A mark per status, for a narrow column."""
MEANINGS = {
    Status.PASS: "holds",
    Status.EMULATED: "holds through an emulation that was allowed",
    Status.UNDECLARED: "holds although it is not declared",
    Status.UNSUPPORTED: "not declared, and refused as unsupported",
    Status.SKIPPED: "cannot be tried here",
    Status.FAIL: "does not hold",
}
"""What each status says."""

_STYLE = """
:root{--paper:#fcfcfa;--ink:#1b1f24;--soft:#616a75;--line:#e2e4df;--card:#fff;
--pass:#2e7d4f;--emulated:#8a6d1a;--undeclared:#2563a8;--unsupported:#9aa1a9;--skipped:#c3c8cd;--fail:#c0362c}
@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e8ea;--soft:#98a1ab;--line:#2a2f35;--card:#1a1e22;
--pass:#58b27c;--emulated:#d0ab45;--undeclared:#6aa5e6;--unsupported:#7b838c;--skipped:#4a5159;--fail:#ef6a5e}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:2.5rem 1.25rem 5rem}
h1{font-size:1.7rem;font-weight:650;letter-spacing:-.02em;margin:0}
h2{font-size:1.05rem;font-weight:650;margin:2.75rem 0 .75rem}
p.lead{color:var(--soft);margin:.35rem 0 2rem;max-width:44rem}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.1rem}
.card h3{margin:0;font-size:1.05rem;font-weight:650;overflow-wrap:anywhere}
.card .meta{color:var(--soft);font-size:.82rem}
.bar{display:flex;height:.5rem;border-radius:.25rem;overflow:hidden;margin:.8rem 0 .6rem;background:var(--line)}
.bar i{display:block;height:100%}
.counts{display:flex;flex-wrap:wrap;gap:.15rem .9rem;font-size:.85rem}
.counts b{font-variant-numeric:tabular-nums}
.pass{color:var(--pass)}.emulated{color:var(--emulated)}.undeclared{color:var(--undeclared)}
.unsupported{color:var(--unsupported)}.skipped{color:var(--skipped)}.fail{color:var(--fail)}
.counts .skipped{color:var(--soft)}
i.pass{background:var(--pass)}i.emulated{background:var(--emulated)}i.undeclared{background:var(--undeclared)}
i.unsupported{background:var(--unsupported)}i.skipped{background:var(--skipped)}i.fail{background:var(--fail)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{padding:.34rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:.78rem}
th.system,td.mark{text-align:center;white-space:nowrap;width:5.5rem}
td.mark{font-weight:650;font-variant-numeric:tabular-nums}
td.id{font-family:ui-monospace,monospace;font-size:.78rem;color:var(--soft);white-space:nowrap}
td .why{color:var(--soft);font-size:.8rem;overflow-wrap:anywhere}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;background:var(--card)}
summary{cursor:pointer;padding:.55rem .9rem;font-weight:600;display:flex;gap:.8rem;align-items:baseline}
summary span{color:var(--soft);font-weight:400;font-size:.85rem}
details>.wide{padding:0 .2rem .4rem}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;font-size:.82rem;color:var(--soft);margin:0 0 1rem;padding:0}
.legend li{list-style:none}
"""


def to_html(reports: Sequence[Report], cases: Mapping[str, Case]) -> str:
    """The page of one or several runs of the same cases."""
    names = ", ".join(report.system for report in reports)
    chosen = [cases[outcome.case] for outcome in reports[0].outcomes]
    legend = "".join(f'<li><b class="{status}">{MARKS[status]}</b> {MEANINGS[status]}</li>' for status in Status)
    body = [
        "<h1>OpenMessaging conformance</h1>",
        f'<p class="lead">{len(chosen)} cases in {len({case.section for case in chosen})} sections, '
        f"{escape(reports[0].date)}. A system must do what it declares, and refuse what it does not.</p>",
        f'<div class="cards">{"".join(_card(report) for report in reports)}</div>',
        _failures(reports, cases),
        "<h2>By section</h2>",
        f'<ul class="legend">{legend}</ul>',
        *(_section(section, reports, cases) for section in SECTIONS if any(case.section == section for case in chosen)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Conformance: {escape(names)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _card(report: Report) -> str:
    counts = report.counts()
    total = len(report.outcomes)
    bar = "".join(f'<i class="{s}" style="width:{counts[s] / total:.2%}"></i>' for s in Status if counts[s])
    told = "".join(f'<span class="{s}"><b>{counts[s]}</b> {s}</span>' for s in Status if counts[s])
    emulated = f"; emulated: {escape(', '.join(report.emulated))}" if report.emulated else ""
    return (
        f'<div class="card"><h3>{escape(report.system)}</h3>'
        f'<div class="meta">{report.seconds:.0f} s, version {escape(report.version)}{emulated}</div>'
        f'<div class="bar">{bar}</div><div class="counts">{told}</div></div>'
    )


def _failures(reports: Sequence[Report], cases: Mapping[str, Case]) -> str:
    rows = "".join(
        f'<tr><td>{escape(report.system)}</td><td class="id">{escape(outcome.case)}</td>'
        f'<td>{escape(cases[outcome.case].title)}<div class="why">{escape(outcome.text)}</div></td></tr>'
        for report in reports
        for outcome in report.failed
    )
    if not rows:
        return ""
    head = "<tr><th>system</th><th>case</th><th>what does not hold</th></tr>"
    return f'<h2 class="fail">Failures</h2><div class="wide"><table>{head}{rows}</table></div>'


def _section(section: str, reports: Sequence[Report], cases: Mapping[str, Case]) -> str:
    found = [{each.case: each for each in report.outcomes} for report in reports]
    members = [case for case in cases.values() if case.section == section and case.id in found[0]]
    heads = "".join(f'<th class="system">{escape(report.system)}</th>' for report in reports)
    rows = "".join(_row(case, [each.get(case.id) for each in found]) for case in members)
    ids = [case.id for case in members]
    worst = "".join(
        f'<b class="{status}">{escape(report.system)}: {number} {status}</b> '
        for report in reports
        for status, number in report.counts(ids).items()
        if status is Status.FAIL
    )
    return (
        f"<details><summary>{section}<span>{len(members)} cases {worst}</span></summary>"
        f'<div class="wide"><table><tr><th>case</th><th>what holds</th>{heads}</tr>{rows}</table></div></details>'
    )


def _row(case: Case, outcomes: Sequence[Outcome | None]) -> str:
    cells = ""
    why = ""
    for outcome in outcomes:
        if outcome is None:
            cells += '<td class="mark"></td>'
            continue
        cells += f'<td class="mark {outcome.status}" title="{escape(outcome.text)}">{MARKS[outcome.status]}</td>'
        if outcome.status is not Status.PASS and outcome.text and len(outcomes) == 1:
            why = f'<div class="why">{escape(outcome.text)}</div>'
    rule = f' title="{escape(case.rule)}"'
    return f'<tr><td class="id"{rule}>{escape(case.id)}</td><td>{escape(case.title)}{why}</td>{cells}</tr>'

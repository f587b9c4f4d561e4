"""Asks Prometheus every query of the dashboard, fails where one has no answer, and draws the panels."""

import json
import math
import sys
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plot  # noqa: E402 -- after the choice of what it draws with

PROMETHEUS, SECONDS, PICTURE = sys.argv[1], float(sys.argv[2]), sys.argv[3]
DASHBOARD = "docker/monitoring/grafana/dashboards/etiqueta.json"
COLUMNS = 4
MOST_SERIES = 12


def answer(expression):
    """The series of a query over the time of the load."""
    now = time.time()
    parameters = {"query": expression, "start": now - SECONDS, "end": now, "step": "1"}
    url = f"{PROMETHEUS}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)["data"]["result"]


def expression(target):
    """The query as Grafana sends it, at the pace of this scrape."""
    return target["expr"].replace("$instance", ".*").replace("$__rate_interval", "8s")


def legend(form, labels):
    for name, value in labels.items():
        form = form.replace("{{%s}}" % name, value)
    return form.replace("{{error_type}}", "").replace("{{http_response_status_code}}", "")


def series_of(panel):
    """Name, times and values of all that a panel shows, and the queries without an answer."""
    shown, silent = [], []
    for target in panel["targets"]:
        found = answer(expression(target))
        if not found:
            silent.append(f"{panel['title']}: {target['expr']}")
        for one in found:
            points = [(float(at), float(value)) for at, value in one["values"] if not math.isnan(float(value))]
            shown.append((legend(target["legendFormat"], one["metric"]), points))
    return shown, silent


def draw(axes, panel, shown):
    axes.set_title(panel["title"], fontsize=9)
    for name, points in shown[:MOST_SERIES]:
        if points:
            end = points[-1][0]
            axes.plot([at - end for at, _ in points], [value for _, value in points], label=name, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=6)
    if shown:
        axes.legend(fontsize=5, loc="upper left")


def main():
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = [panel for panel in json.load(file)["panels"] if panel["type"] != "row"]
    rows = math.ceil(len(panels) / COLUMNS)
    figure, grid = plot.subplots(rows, COLUMNS, figsize=(5 * COLUMNS, 2.4 * rows), squeeze=False)
    silent = []
    for axes, panel in zip(grid.flat, panels):
        shown, without = series_of(panel)
        silent += without
        draw(axes, panel, shown)
    for axes in list(grid.flat)[len(panels):]:
        axes.set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=90)
    print(f"{sum(len(panel['targets']) for panel in panels)} queries of {len(panels)} panels; drawn in {PICTURE}")
    if silent:
        sys.exit("no answer:\n" + "\n".join(silent))


main()

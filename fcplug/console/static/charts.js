// The charts: what /figures says, drawn by uPlot, and the same numbers as a table.
(() => {
  "use strict";
  const PERCENTILES = ["p50", "p95", "p99"];

  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function axes(unit) {
    const line = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const hours = (_, all) => all.map((each) => clock(each).slice(0, 5));
    return [{ ...line, grid: { show: false }, space: 60, size: 28, values: hours, incrs: [60, 120, 300, 600, 900, 1800] }, { ...line, size: 56, values: (_, all) => all.map((each) => `${each.toLocaleString()}${unit}`) }];
  }

  function options(box, unit, lines) {
    return {
      width: box.clientWidth,
      height: 190,
      padding: [12, 8, 0, 0],
      cursor: { points: { size: 7 }, y: false },
      legend: { live: true },
      scales: { y: { range: (_, _low, high) => [0, Math.max(high || 0, 1) * 1.1] } },
      series: [{ value: (_, at) => (at === null ? "" : clock(at)) }, ...lines],
      axes: axes(unit),
    };
  }

  const KINDS = {
    latency: {
      data: (figures) => [figures.at, ...PERCENTILES.map((name) => figures[name])],
      make: (box) => options(box, " ms", PERCENTILES.map((name, index) => ({
        label: name, stroke: colour(`--chart-${index + 1}`), width: 2, spanGaps: false,
        points: { show: true, size: 5, fill: colour(`--chart-${index + 1}`) },
        value: (_, shown) => (shown === null ? "" : `${shown.toFixed(1)} ms`),
      }))),
    },
    running: {
      data: (figures) => [figures.at, figures.running],
      make: (box) => options(box, "", [{
        label: "at once", stroke: colour("--chart-1"), fill: colour("--chart-fill"), width: 2,
        points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }),
        value: (_, shown) => (shown === null ? "" : String(shown)),
      }]),
    },
  };

  class Charts {
    constructor(section) {
      this.section = section;
      this.minutes = section.querySelector("[data-minutes]");
      this.plots = new Map();
      this.busy = false;
      this.again = false;
      this.minutes.addEventListener("change", () => this.load());
      new ResizeObserver(() => this.resize()).observe(section);
      this.load();
    }

    async load() {
      if (this.busy) {
        this.again = true;
        return;
      }
      this.busy = true;
      try {
        const query = new URLSearchParams({ minutes: this.minutes.value, function: this.section.dataset.function });
        const response = await fetch(`/figures?${query}`);
        if (response.ok) this.show(await response.json());
      } catch {
        // the platform is gone; the state of the connection says so
      }
      setTimeout(() => {
        this.busy = false;
        if (this.again) {
          this.again = false;
          this.load();
        }
      }, 1000);
    }

    show(figures) {
      this.figures = figures;
      for (const box of this.section.querySelectorAll("[data-chart]")) {
        const kind = KINDS[box.dataset.chart];
        const plot = this.plots.get(box);
        if (plot) plot.setData(kind.data(figures));
        else this.plots.set(box, new uPlot(kind.make(box), kind.data(figures), box));
      }
      this.list(figures);
    }

    list(figures) {
      const rows = [];
      figures.at.forEach((at, index) => {
        if (!figures.calls[index] && !figures.running[index]) return;
        const row = document.createElement("tr");
        const time = document.createElement("th");
        time.scope = "row";
        time.textContent = clock(at);
        row.append(time);
        const numbers = PERCENTILES.map((name) => figures[name][index]).map((each) => (each === null ? "none" : `${each.toFixed(1)} ms`));
        for (const value of [figures.calls[index], figures.failed[index], ...numbers, figures.running[index]]) {
          const cell = document.createElement("td");
          cell.className = "number";
          cell.textContent = String(value);
          row.append(cell);
        }
        rows.unshift(row);
      });
      this.section.querySelector("[data-numbers]").replaceChildren(...rows);
    }

    resize() {
      for (const [box, plot] of this.plots) {
        if (box.clientWidth && box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: 190 });
      }
    }

    redraw() {
      for (const plot of this.plots.values()) plot.destroy();
      this.plots.clear();
      if (this.figures) this.show(this.figures);
    }
  }

  const all = [];
  document.addEventListener("DOMContentLoaded", () => {
    for (const section of document.querySelectorAll("[data-charts]")) all.push(new Charts(section));
    for (const kind of ["invocation", "tick"]) {
      document.body.addEventListener(`console:${kind}`, () => all.forEach((each) => each.load()));
    }
  });
  document.addEventListener("console:theme", () => all.forEach((each) => each.redraw()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all.forEach((each) => each.redraw()));
})();

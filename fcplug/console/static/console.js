// What is live: one stream says what changed, and the page fetches the parts of it that show it.
(() => {
  "use strict";
  const KINDS = ["invocation", "instance", "queue", "functions", "inspection", "log"];
  const TICK = 5000; // milliseconds after which what moves with time is fetched again
  const RETRY = 2000; // milliseconds
  const $ = (id) => document.getElementById(id);

  // htmx changes a live part in place: what has the focus, is open or selected stays so
  htmx.defineExtension("live", {
    isInlineSwap: (style) => style === "live",
    handleSwap: (style, target, fragment) => {
      if (style !== "live") return false;
      return Idiomorph.morph(target, fragment.children, {
        morphStyle: "outerHTML",
        callbacks: {
          beforeAttributeUpdated: (name, node) => !(name === "open" && node.localName === "details"),
        },
      });
    },
  });

  const tell = (kind) => document.body.dispatchEvent(new CustomEvent(`console:${kind}`));

  let stream = null;
  let timer = 0;
  let missed = false;
  let boot = document.documentElement.dataset.boot;

  function paused() {
    return $("pause").getAttribute("aria-pressed") === "true";
  }

  function state(name, text) {
    const connection = $("connection");
    if (connection.dataset.state === name) return;
    connection.dataset.state = name;
    $("connection-text").textContent = text;
  }

  function connect() {
    clearTimeout(timer);
    if (stream || paused() || document.hidden) return;
    stream = new EventSource("/stream");
    stream.addEventListener("hello", (event) => {
      const hello = JSON.parse(event.data);
      for (const field of document.querySelectorAll("input[name=csrf]")) field.value = hello.csrf;
      state("on", "Live");
      if (missed || hello.boot !== boot) KINDS.forEach(tell);
      missed = false;
      boot = hello.boot;
    });
    stream.addEventListener("changed", (event) => event.data.split(" ").forEach(tell));
    stream.addEventListener("error", () => {
      missed = true;
      state("lost", "Connecting");
      if (stream.readyState === EventSource.CLOSED) {
        disconnect();
        timer = setTimeout(connect, RETRY);
      }
    });
  }

  function disconnect() {
    if (stream) stream.close();
    stream = null;
    missed = true;
  }

  function setPaused(value) {
    $("pause").setAttribute("aria-pressed", String(value));
    sessionStorage.setItem("fcplug-paused", value ? "1" : "");
    if (value) {
      clearTimeout(timer);
      disconnect();
      state("paused", "Paused");
    } else {
      connect();
    }
  }

  function setTheme(theme) {
    const root = document.documentElement;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    $("theme").textContent = `Theme: ${theme}`;
    document.dispatchEvent(new CustomEvent("console:theme"));
  }

  function trouble(text) {
    const box = $("trouble");
    box.textContent = text;
    box.hidden = false;
    clearTimeout(trouble.timer);
    trouble.timer = setTimeout(() => (box.hidden = true), 8000);
  }

  function reason(answer) {
    const page = new DOMParser().parseFromString(answer, "text/html");
    return ["h1", "main p"].map((each) => page.querySelector(each)?.textContent || "").join(": ");
  }

  document.addEventListener("DOMContentLoaded", () => {
    const themes = ["system", "light", "dark"];
    let theme = document.documentElement.dataset.theme || "system";
    $("theme").hidden = false;
    $("theme").textContent = `Theme: ${theme}`;
    $("theme").addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      localStorage.setItem("fcplug-theme", theme);
      setTheme(theme);
    });

    $("pause").hidden = false;
    $("pause").addEventListener("click", () => setPaused(!paused()));
    setPaused(sessionStorage.getItem("fcplug-paused") === "1");
    // browsers have few connections to one place: a page that nobody sees gives its own back
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) disconnect();
      else connect();
    });
    setInterval(() => stream && tell("tick"), TICK);
    addEventListener("pagehide", disconnect);
    addEventListener("pageshow", connect);

    document.body.addEventListener("change", (event) => {
      if (event.target.name === "mode") event.target.form.dataset.mode = event.target.value;
    });
    document.body.addEventListener("htmx:afterSettle", (event) => {
      if (event.detail.elt?.id !== "result") return;
      $("announcer").textContent = $("summary")?.textContent || "";
    });
    document.body.addEventListener("htmx:responseError", (event) => {
      const request = event.detail.xhr;
      if (event.detail.requestConfig.verb === "post") trouble(reason(request.responseText) || `Status ${request.status}`);
    });
    document.body.addEventListener("htmx:sendError", (event) => {
      if (event.detail.requestConfig.verb === "post") trouble("The platform does not answer. Does fcplug dev run?");
    });
  });
})();

"use strict";
(function () {
  var rows = Array.prototype.slice.call(document.querySelectorAll(".row"));
  var lines = Array.prototype.slice.call(document.querySelectorAll("tr[data-s]"));
  var panel = document.getElementById("panel");
  var paths = {};
  document.querySelectorAll(".arcs path").forEach(function (path) {
    [path.dataset.f, path.dataset.t].forEach(function (row) {
      (paths[row] = paths[row] || []).push(path);
    });
  });
  function light(row, on) {
    (paths[row.id] || []).forEach(function (path) {
      path.classList.toggle("hot", on);
      var other = path.dataset.f === row.id ? path.dataset.t : path.dataset.f;
      document.getElementById(other).classList.toggle("hot", on);
    });
    row.classList.toggle("hot", on);
  }
  var picked = null;
  function pick(row) {
    if (picked) picked.classList.remove("picked");
    picked = row;
    row.classList.add("picked");
    panel.textContent = row.dataset.d;
  }
  rows.forEach(function (row) {
    row.addEventListener("mouseenter", function () { light(row, true); });
    row.addEventListener("mouseleave", function () { light(row, false); });
    row.addEventListener("click", function () { pick(row); });
  });
  function go(list, step) {
    if (!list.length) return;
    var at = picked ? rows.indexOf(picked) : -1;
    var next = step > 0
      ? list.find(function (row) { return rows.indexOf(row) > at; }) || list[0]
      : list.slice().reverse().find(function (row) { return rows.indexOf(row) < at; }) || list[list.length - 1];
    pick(next);
    next.scrollIntoView({ block: "center" });
  }
  function differing() {
    return rows.filter(function (row) { return !row.classList.contains("same"); });
  }
  document.getElementById("next").addEventListener("click", function () { go(differing(), 1); });
  document.getElementById("back").addEventListener("click", function () { go(differing(), -1); });
  document.getElementById("only").addEventListener("change", function (event) {
    document.querySelectorAll(".graph").forEach(function (graph) {
      graph.classList.toggle("only", event.target.checked);
    });
  });
  var search = document.getElementById("search");
  function hits() {
    var words = search.value.toLowerCase();
    return rows.filter(function (row) { return row.dataset.d.toLowerCase().indexOf(words) >= 0; });
  }
  search.addEventListener("input", function () {
    var words = search.value.toLowerCase();
    rows.forEach(function (row) {
      row.classList.toggle("miss", row.dataset.d.toLowerCase().indexOf(words) < 0);
    });
    lines.forEach(function (line) {
      line.classList.toggle("miss", line.dataset.s.toLowerCase().indexOf(words) < 0);
    });
  });
  search.addEventListener("keydown", function (event) {
    if (event.key === "Enter") go(hits(), event.shiftKey ? -1 : 1);
  });
})();

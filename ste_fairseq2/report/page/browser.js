"use strict";
// Lets one read the judgements in the page. Texts are hostile: they are only ever set as text.
(() => {
  const browser = document.getElementById("browser");
  if (browser === null) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  const FIELDS = ["round", "kind", "points", "became", "verdict", "order", "group"];
  const element = (id) => document.getElementById(id);
  let found = [];
  let place = 0;

  const isAnswer = (judgement) => judgement.samples !== undefined;

  const fillFilters = () => {
    for (const field of FIELDS) {
      const select = form.elements.namedItem(field);
      for (const value of data.filters[field]) {
        const option = document.createElement("option");
        option.value = String(value);
        option.textContent = field === "round" ? data.rounds[value][0] : String(value);
        select.append(option);
      }
      select.parentElement.hidden = data.filters[field].length === 0;
    }
  };

  const textsOf = (judgement) => {
    if (isAnswer(judgement)) {
      return [judgement.instruction, judgement.answer, ...judgement.samples.map(({ text }) => text)];
    }
    const pair = judgement.pair === null ? null : data.pairs[judgement.pair];
    const texts = pair === null ? [judgement.prompt] : [pair.instruction, pair.first, pair.second];
    return [judgement.text, ...texts];
  };

  const haystacks = data.judgements.map((judgement) =>
    [judgement.id, ...textsOf(judgement)].join("\n").toLowerCase());

  const filter = () => {
    const wanted = FIELDS.map((field) => [field, form.elements.namedItem(field).value]);
    const search = form.elements.namedItem("search").value.toLowerCase();
    found = [];
    data.judgements.forEach((judgement, index) => {
      const fits = wanted.every(([field, value]) => value === "" || String(judgement[field]) === value);
      if (fits && (search === "" || haystacks[index].includes(search))) found.push(judgement);
    });
    place = 0;
    show();
  };

  const describe = (judgement) => {
    const parts = [data.rounds[judgement.round][1].replace("the ", ""), judgement.kind];
    if (isAnswer(judgement)) return [...parts, judgement.became, judgement.id].join(" · ");
    parts.push(
      judgement.group,
      `${judgement.order.replace("better", "better answer")}`,
      judgement.cut ? "ran into the token limit" : "",
    );
    if (judgement.votes) parts.push(`${judgement.votes[0]} of ${judgement.votes[1]} samples right`);
    parts.push(judgement.id);
    return parts.filter((part) => part !== "").join(" · ");
  };

  const mark = (letter, judgement) => {
    const isBetter = (judgement.order === "better first") === (letter === "A");
    const words = [];
    if (isBetter) words.push("✓ better");
    if (judgement.named === letter) words.push("named by the judge");
    element(`mark-${letter.toLowerCase()}`).textContent = words.join(", ");
    element(`box-${letter.toLowerCase()}`).classList.toggle("better", isBetter);
  };

  const show = () => {
    const isEmpty = found.length === 0;
    element("judgement").hidden = isEmpty;
    element("nothing").hidden = !isEmpty;
    element("previous").disabled = place === 0;
    element("next").disabled = place >= found.length - 1;
    element("count").textContent = isEmpty
      ? "0 match"
      : `${place + 1} of ${found.length} that match`;
    if (isEmpty) return;
    const judgement = found[place];
    element("facts").textContent = describe(judgement);
    for (const id of ["box-b", "box-text"]) element(id).hidden = isAnswer(judgement);
    element("samples").hidden = !isAnswer(judgement);
    if (isAnswer(judgement)) showAnswer(judgement);
    else showJudgement(judgement);
    for (const id of ["instruction", "answer-a", "answer-b", "text"]) element(id).scrollTop = 0;
  };

  const titleAnswer = (title) => {
    element("answer-title").textContent = title;
    element("box-a").setAttribute("aria-label", title);
  };

  const showAnswer = (judgement) => {
    element("instruction-title").textContent = "Instruction";
    element("instruction").textContent = judgement.instruction;
    titleAnswer("Answer");
    element("answer-a").textContent = judgement.answer;
    element("mark-a").textContent = `${judgement.score}, ${judgement.became}`;
    element("box-a").classList.toggle("better", judgement.became === "chosen");
    element("samples").replaceChildren(...judgement.samples.map(makeSample));
  };

  const makeSample = (sample, index) => {
    const box = document.createElement("section");
    const title = document.createElement("h4");
    const mark = document.createElement("span");
    const text = document.createElement("div");
    box.className = "text sample";
    title.textContent = `Judgement ${index + 1}`;
    box.setAttribute("aria-label", title.textContent);
    mark.className = "mark";
    mark.textContent = sample.mark;
    title.append(mark);
    text.textContent = sample.text;
    text.dir = "auto";
    text.tabIndex = 0;
    box.append(title, text);
    return box;
  };

  const showJudgement = (judgement) => {
    const pair = judgement.pair === null ? null : data.pairs[judgement.pair];
    const answers = pair === null ? [] : [pair.first, pair.second];
    if (judgement.swapped) answers.reverse();
    titleAnswer("Answer A");
    element("instruction-title").textContent =
      pair === null ? "The whole prompt (its pair is not there)" : "Instruction";
    element("instruction").textContent = pair === null ? judgement.prompt : pair.instruction;
    for (const [index, letter] of ["A", "B"].entries()) {
      element(`answer-${letter.toLowerCase()}`).textContent =
        pair === null ? "(see the prompt)" : answers[index];
      mark(letter, judgement);
    }
    element("text").textContent = judgement.text;
    const verdict = element("mark-judgement");
    verdict.textContent = judgement.verdict;
    verdict.dataset.verdict = judgement.verdict;
  };

  const go = (step) => {
    const next = Math.min(Math.max(place + step, 0), found.length - 1);
    if (next === place || next < 0) return;
    place = next;
    show();
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const isTyping = event.target instanceof Element && event.target.closest("input, select, textarea");
    if (isTyping) {
      if (event.key === "Escape") event.target.blur();
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      // Wide tables scroll with the arrow keys.
      if (event.target.closest && event.target.closest(".box")) return;
      go(event.key === "ArrowRight" ? 1 : -1);
      event.preventDefault();
    } else if (event.key === "/") {
      form.elements.namedItem("search").focus();
      event.preventDefault();
    }
  });
  for (const field of FIELDS) form.elements.namedItem(field).addEventListener("change", filter);
  form.elements.namedItem("search").addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  element("previous").addEventListener("click", () => go(-1));
  element("next").addEventListener("click", () => go(1));
  fillFilters();
  browser.hidden = false;
  filter();
})();

// Narrows the list of operations to what is typed. The page is whole without it.
const find = document.querySelector("#find");
const none = document.querySelector("#none");
const sections = [...document.querySelectorAll("nav section")];

function narrow() {
  const words = find.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const section of sections) {
    let here = 0;
    for (const item of section.querySelectorAll("li")) {
      const link = item.firstElementChild;
      const text = `${link.textContent} ${link.title} ${link.hash}`.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
      if (!item.hidden) here += 1;
    }
    section.hidden = here === 0;
    shown += here;
  }
  none.hidden = shown > 0;
}

find.addEventListener("input", narrow);
find.parentElement.hidden = false;

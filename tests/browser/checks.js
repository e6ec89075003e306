const complaints = [];
const channels = (color) => color.match(/[\d.]+/g).map(Number);
const light = (color) => {
  const part = (value) => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(color[0]) + 0.7152 * part(color[1]) + 0.0722 * part(color[2]);
};
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const color = channels(getComputedStyle(one).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const visible = (element) => {
  const box = element.getBoundingClientRect();
  return element.checkVisibility() && box.width > 1 && box.height > 1 && box.bottom > 0;
};
const name = (element) => `${element.tagName.toLowerCase()}.${element.className} “${element.textContent.trim().slice(0, 40)}”`;

for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!visible(element) || !own || element.tagName === "OPTION") continue;
  const style = getComputedStyle(element);
  const lights = [light(channels(style.color)), light(behind(element))].sort((one, other) => other - one);
  const contrast = (lights[0] + 0.05) / (lights[1] + 0.05);
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  if (contrast < least) complaints.push(`contrast ${contrast.toFixed(2)} of ${name(element)}`);
}
for (const element of document.querySelectorAll("a, button, input, select, textarea, summary")) {
  const box = element.getBoundingClientRect();
  const inline = getComputedStyle(element).display === "inline";
  const labelled = element.closest("label");
  if (visible(element) && !inline && !labelled && (box.width < 24 || box.height < 24)) complaints.push(`${box.width}×${box.height}: ${name(element)}`);
}
// A phone makes its window as wide as what is in it: what counts is how wide it was.
const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
if (wide > room) {
  const culprits = [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > room + 1);
  complaints.push(`${wide} wide in a window of ${room}: ${culprits.slice(0, 3).map(name).join(", ")}`);
}
let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
  if (!heading.checkVisibility()) continue;
  const next = Number(heading.tagName[1]);
  if (next > level + 1) complaints.push(`${name(heading)} after h${level}`);
  level = next;
}
if (document.querySelectorAll("h1").length !== 1) complaints.push("there is not one h1");
if (!document.documentElement.lang) complaints.push("no language");
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) complaints.push(`twice: #${id}`);
for (const element of document.querySelectorAll("[aria-describedby], [aria-labelledby]")) {
  for (const kind of ["aria-describedby", "aria-labelledby"]) {
    for (const id of (element.getAttribute(kind) ?? "").split(" ").filter(Boolean)) if (!ids.includes(id)) complaints.push(`${kind} names #${id}, which is not there`);
  }
}
return complaints;

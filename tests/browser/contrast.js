/**
 * WCAG 2.2 AA contrast (1.4.3, 1.4.11) of everything that the page shows at this moment: `{checked, found}`.
 *
 * Method: for each piece of text the computed colours of its ancestors are laid over white from the outside in, each with its
 * alpha and its opacity; the text's own colour comes last. The ratio of the relative luminances of text and ground must be
 * 4.5, or 3 for text of 24 px or bold text of 18.66 px; 3 for icons and the lines of charts. Words and lines inside a chart's
 * canvas are measured by the variables that they are painted with. Disabled controls and what is hidden are left out, as
 * the standard has it; the grey filter of a stale view keeps luminance and is not computed. A picture behind text cannot be
 * measured so, and is reported.
 */
() => {
  const numbers = (text) => text.match(/[\d.]+/g).map(Number);
  const rgba = (text) => {
    const [r, g, b, a = 1] = numbers(text.replace("color(srgb", ""));
    return text.startsWith("color(srgb") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((part, i) => part * a + under[i] * (1 - a));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const outsideIn = (it) => (it ? [...outsideIn(it.parentElement), it] : []);
  const paint = ([it, ...inner], under, ink) => {
    const { backgroundColor, opacity } = getComputedStyle(it);
    const ground = over(rgba(backgroundColor), under);
    const [text, behind] = inner.length > 0 ? paint(inner, ground, ink) : [over(rgba(ink), ground), ground];
    return [over([...text, Number(opacity)], under), over([...behind, Number(opacity)], under)];
  };
  const found = new Set();
  let checked = 0;
  const check = (it, what, ink, least) => {
    const [light, dark] = paint(outsideIn(it), [255, 255, 255], ink).map(luminance).sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    checked++;
    if (ratio < least) found.add(`${ratio.toFixed(2)} < ${least}: ${what} in ${it.tagName}.${it.getAttribute("class") ?? ""}`);
  };
  const seen = (it) => it.checkVisibility({ visibilityProperty: true }) && !it.closest(".unseen, :disabled, .skip:not(:focus)");
  const least = ({ fontSize, fontWeight }) =>
    parseFloat(fontSize) >= 24 || (parseFloat(fontSize) >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5;

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const it = text.parentElement;
    if (text.data.trim() === "" || it.closest("noscript, script, option") || !seen(it)) continue;
    const style = getComputedStyle(it);
    if (outsideIn(it).some((around) => getComputedStyle(around).backgroundImage !== "none")) found.add(`a picture behind ${text.data}`);
    check(it, JSON.stringify(text.data.trim()), style.color, least(style));
  }
  for (const it of document.querySelectorAll("input, select, textarea")) {
    if (!seen(it)) continue;
    check(it, "what is typed", getComputedStyle(it).color, 4.5);
    if (it.placeholder) check(it, "its placeholder", getComputedStyle(it, "::placeholder").color, 4.5);
  }
  for (const it of document.querySelectorAll("svg.icon")) if (seen(it)) check(it, "an icon", getComputedStyle(it).color, 3);
  const inks = { dim: 4.5, mark: 4.5, "line-0": 3, "line-1": 3, "line-2": 3, "line-3": 3, "line-4": 3, "line-5": 3 };
  for (const chart of document.querySelectorAll(".chart")) {
    const probe = chart.appendChild(document.createElement("i"));
    for (const [name, ratio] of Object.entries(inks)) {
      probe.style.color = `var(--${name})`;
      check(probe, `--${name}`, getComputedStyle(probe).color, ratio);
    }
    probe.remove();
  }
  return { checked, found: [...found] };
};

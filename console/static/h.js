// Renders descriptions of elements into a document, and changes only what differs from the last time.
//
// Text becomes text nodes and attributes are set by name: nothing is ever parsed as HTML. Lists keep their elements by
// `key`. Properties: `class`, `style` (an object), `ref` (called with the element, and with null when it is removed),
// `onclick` and other handlers; the rest are attributes.

const SVG = "http://www.w3.org/2000/svg";
const AS_PROPERTIES = new Set(["value", "checked", "indeterminate", "muted", "srcObject"]);
const UNSAFE_URL = /^[\s\0-\x1f]*(javascript|vbscript|data(?!:image\/))\s*:/i;
const described = new WeakMap();

export function h(tag, props, ...children) {
  const given = props || {};
  return {tag, props: given, key: given.key, children: flat(children)};
}

export function render(parent, ...nodes) {
  patchAll(parent, flat(nodes), parent.namespaceURI === SVG);
}

function flat(children) {
  const found = [];
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || typeof child === "boolean") continue;
    found.push(typeof child === "object" ? child : {text: String(child)});
  }
  return found;
}

function patchAll(parent, nodes, svg) {
  const keyed = new Map(), rest = [];
  for (const element of parent.childNodes) {
    const old = described.get(element);
    if (!old) continue;
    if (old.key === undefined) rest.push(element);
    else keyed.set(old.key, element);
  }
  let unkeyed = 0;
  const kept = new Set(), elements = nodes.map((node) => {
    let element = node.key === undefined ? null : keyed.get(node.key);
    if (node.key === undefined) {
      while (unkeyed < rest.length && !fits(rest[unkeyed], node)) unkeyed++;
      element = rest[unkeyed++];
    }
    if (!element || kept.has(element) || !fits(element, node)) return null;
    kept.add(element);
    return element;
  });
  // Before the others are placed: an element that is moved loses the focus.
  for (const element of [...parent.childNodes]) {
    if (!kept.has(element) && described.has(element)) drop(element);
  }
  let next = parent.firstChild;
  nodes.forEach((node, i) => {
    const element = elements[i] ?? create(node, svg);
    if (elements[i]) patch(element, node, svg);
    if (element === next) next = next.nextSibling;
    else parent.insertBefore(element, next);
  });
}

function fits(element, node) {
  const old = described.get(element);
  return node.text === undefined ? old.tag === node.tag : old.text !== undefined;
}

function create(node, svg) {
  if (node.text !== undefined) {
    const text = document.createTextNode(node.text);
    described.set(text, node);
    return text;
  }
  const inSvg = svg || node.tag === "svg";
  const element = inSvg ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  described.set(element, {tag: node.tag, key: node.key, props: {}});
  patch(element, node, inSvg);
  // Once it is in the document: only then can it be focused or measured.
  if (node.props.ref) queueMicrotask(() => node.props.ref(element));
  return element;
}

function patch(element, node, svg) {
  const old = described.get(element);
  described.set(element, node);
  if (node.text !== undefined) {
    if (old.text !== node.text) element.data = node.text;
    return;
  }
  // The choices of a <select> have to be there before its value.
  patchAll(element, node.children, svg || node.tag === "svg");
  for (const name of Object.keys(old.props)) {
    if (!(name in node.props)) set(element, name, null, old.props[name]);
  }
  for (const [name, value] of Object.entries(node.props)) set(element, name, value, old.props[name]);
}

function set(element, name, value, before) {
  if (name === "key" || name === "ref") return;
  if (AS_PROPERTIES.has(name)) {
    if (element[name] !== value && value !== null) element[name] = value;
  } else if (name.startsWith("on")) {
    element[name] = value || null;
  } else if (name === "style") {
    for (const each of Object.keys(before || {})) if (!(each in (value || {}))) element.style.removeProperty(each);
    for (const [each, to] of Object.entries(value || {})) element.style.setProperty(each, to);
  } else if (value !== before) {
    setAttribute(element, name, value);
  }
}

function setAttribute(element, name, value) {
  const refused = (name === "href" || name === "src") && UNSAFE_URL.test(String(value));
  if (value === null || value === undefined || value === false || refused) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

function drop(element) {
  forget(element);
  element.remove();
}

function forget(element) {
  described.get(element)?.props?.ref?.(null);
  for (const child of element.childNodes) forget(child);
}

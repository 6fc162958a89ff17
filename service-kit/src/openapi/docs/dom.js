'use strict';

/* Elements. Text from the document becomes text nodes and properties, never markup. */

function el(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.flat(Infinity).filter(Boolean));
  return node;
}

// Text with `code` between backticks.
const inline = (text) => String(text ?? '').split(/`([^`]+)`/)
  .map((part, i) => (i % 2 ? el('code', {}, part) : part));

function prose(text, className = '') {
  const paragraphs = String(text ?? '').trim().split(/\n\s*\n/);
  return text && el('div', { className }, paragraphs.map((each) => el('p', {}, inline(each))));
}

const span = (className, ...children) => el('span', { className }, ...children);
const block = (heading, ...children) => el('section', {}, el('h4', {}, heading), ...children);
const fold = (className, summary, ...content) =>
  el('details', { className }, el('summary', {}, summary), ...content);
const show = (value) => (typeof value === 'string' && value ? value : JSON.stringify(value));
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

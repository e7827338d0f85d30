// What the library's markup leaves out for who listens, or has no pointer. It draws parts anew at any time, so this is
// done after every change of the page, and changes nothing where it has been done.
'use strict';

/** Its headings skip levels: below the title (h1) come h3, and the schemas' is an h4 beside those. */
const LEVELS = { H3: 2, H4: 3, H5: 4, H6: 4 };

/** Its main part is the operations alone. */
const REGIONS = { '.information-container': 'About', '.scheme-container': 'Server and authorization', 'section.models': 'Schemas' };

function set(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Some of its labels hold nothing but the field. */
function isLabelled(field) {
  return [...field.labels].some((label) => label.textContent.replace(field.textContent, '').trim() !== '');
}

function nameOf(field) {
  const { paramName, propertyName } = field.closest('[data-param-name], [data-property-name]')?.dataset ?? {};
  if (paramName ?? propertyName) return paramName ?? propertyName;
  if (field.id === 'servers') return 'Server';
  if (field.matches('.content-type')) return 'Media type';
  if (field.matches('.examples-select-element')) return 'Example';
  return field.matches('textarea') ? 'Request body' : 'Value';
}

function operationOf(element) {
  const parts = element.closest('.opblock').querySelectorAll('.opblock-summary-method, .opblock-summary-path');
  return [...parts].map((part) => part.textContent.replaceAll('\u200b', '').trim()).join(' ');
}

function amend(root) {
  for (const heading of root.querySelectorAll('h3, h4, h5, h6'))
    set(heading, 'aria-level', heading.matches('section.models > h4') ? 2 : LEVELS[heading.tagName]);
  for (const [selector, name] of Object.entries(REGIONS))
    for (const region of root.querySelectorAll(selector)) {
      set(region, 'role', 'region');
      set(region, 'aria-label', name);
    }
  // A region of each open operation, which has to be told from the others'.
  for (const table of root.querySelectorAll('.responses-table[role="region"]'))
    set(table, 'aria-label', `Responses of ${operationOf(table)}`);
  for (const dialog of root.querySelectorAll('.modal-ux')) {
    set(dialog, 'role', 'dialog');
    set(dialog, 'aria-label', dialog.querySelector('h3')?.textContent ?? '');
  }
  for (const button of root.querySelectorAll('.close-modal')) set(button, 'aria-label', 'Close');
  // The whole line is a button already: a link in it would be a second control in the same place.
  for (const link of root.querySelectorAll('button a[href]')) link.removeAttribute('href');
  for (const field of root.querySelectorAll('select, textarea'))
    if (!field.hasAttribute('aria-label') && !isLabelled(field)) set(field, 'aria-label', nameOf(field));
  // What scrolls can be scrolled by the arrow keys.
  for (const block of root.querySelectorAll('.microlight, .highlight-code pre'))
    set(block, 'tabindex', 0);
}

const root = document.getElementById('swagger-ui');
new MutationObserver(() => amend(root)).observe(root, { childList: true, subtree: true });

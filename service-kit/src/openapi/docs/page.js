/* The page */

function parametersOf(item, operation) {
  const all = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((ref) => {
    const { schema, content = {}, ...rest } = deref(ref);
    const known = schema ?? Object.values(content)[0]?.schema;
    return [`${rest.in} ${rest.name}`, { ...rest, schema: known }];
  });
  return [...new Map(all).values()];
}

function listOperations() {
  const taken = new Set();
  const uniqueId = (name) => {
    let id = name;
    for (let n = 2; taken.has(id); n += 1) id = `${name}-${n}`;
    taken.add(id);
    return id;
  };
  return Object.entries(spec.paths ?? {}).flatMap(([path, ref]) => {
    const item = deref(ref);
    return METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method];
      const security = operation.security ?? spec.security ?? [];
      return {
        ...operation, method, path,
        id: uniqueId((operation.operationId ?? method + path).replace(/[^\w.~-]+/g, '-')),
        tag: operation.tags?.[0] ?? 'Operations',
        parameters: parametersOf(item, operation),
        requestBody: operation.requestBody && deref(operation.requestBody),
        security: security.map((needs) => Object.entries(needs)),
      };
    });
  });
}

function credentialsPanel() {
  const kinds = Object.keys(spec.components?.securitySchemes ?? {}).map(securityKind);
  const bearer = kinds.includes('bearer') && el('label', {}, 'Access token', token);
  const basic = kinds.includes('basic') && [
    el('label', {}, 'Client id', clientId), el('label', {}, 'Client secret', clientSecret),
  ];
  const note = '“Try it” sends them with each operation that needs them. '
    + 'This page keeps them in memory only.';
  return (bearer || basic) && el('section', { className: 'card panel' },
    el('h2', {}, 'Credentials'), el('p', { className: 'muted' }, note),
    el('div', { className: 'inputs' }, bearer, basic));
}

function renderTag(tag, operations) {
  const description = spec.tags?.find(({ name }) => name === tag)?.description;
  return el('section', { className: 'tag' }, el('h2', {}, tag), prose(description, 'muted'),
    operations.filter((operation) => operation.tag === tag).map(({ node }) => node));
}

function renderHeader() {
  const { title = 'API', version = '', description } = spec.info ?? {};
  document.title = `${title} ${version}`;
  return el('header', {},
    el('div', { className: 'line' }, el('h1', {}, title), version && span('badge', version)),
    prose(description, 'muted'), el('p', {}, el('a', { href: documentUrl.href }, 'openapi.json')));
}

function renderPage() {
  const operations = listOperations().map((operation) => {
    const { method, path, tag, id, summary, description } = operation;
    const words = [method, path, tag, id, summary, description].join(' ').toLowerCase();
    return { tag, node: renderOperation(operation), words };
  });
  const filter = el('input', {
    type: 'search', placeholder: 'Path, method or word', autocomplete: 'off',
  });
  const applyFilter = () => operations.forEach(({ node, words }) => {
    const wanted = filter.value.toLowerCase().split(/\s+/);
    node.hidden = !wanted.every((word) => words.includes(word));
  });
  const openLinked = () => {
    const linked = operations.find(({ node }) => location.hash === `#${node.id}`)?.node;
    if (!linked) return;
    filter.value = '';
    applyFilter();
    linked.open = true;
    linked.scrollIntoView();
    linked.firstChild.focus({ preventScroll: true });
  };
  const tags = [...new Set(operations.map(({ tag }) => tag))];
  header.replaceWith(renderHeader());
  main.replaceWith(el('main', {}, credentialsPanel(),
    el('label', {}, 'Filter operations', filter),
    tags.map((tag) => renderTag(tag, operations)),
    el('p', { className: 'nothing', role: 'status' }, 'No operation matches.')));
  filter.addEventListener('input', applyFilter);
  window.addEventListener('hashchange', openLinked);
  openLinked();
}

async function load() {
  try {
    const response = await fetch(documentUrl);
    if (!response.ok) {
      throw new Error(`the service answered ${response.status} ${response.statusText}`);
    }
    spec = await response.json();
    renderPage();
  } catch (error) {
    main.replaceChildren(el('section', { className: 'card panel', role: 'alert' },
      el('h1', {}, 'The API document could not be shown'),
      el('p', {}, `${documentUrl.href}: ${error.message}`)));
  }
}

load();

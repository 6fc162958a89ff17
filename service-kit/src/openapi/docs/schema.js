/* References and schemas */

const unescapeKey = (key) => key.replaceAll('~1', '/').replaceAll('~0', '~');
const lookup = (ref) =>
  ref.split('/').slice(1).reduce((node, key) => node?.[unescapeKey(key)], spec);

function deref(node, hops = MAX_REFERENCES) {
  const { $ref, ...own } = Object(node);
  return $ref && hops ? { ...deref(lookup($ref), hops - 1), ...own } : own;
}

// Folds `$ref`, `allOf` and "this or null" into one schema. `refs` lists the references on the way.
function plain(schema, seen = []) {
  const { $ref, allOf = [], oneOf, anyOf, ...own } = Object(schema);
  const options = oneOf ?? anyOf ?? [];
  const variants = options.filter((option) => option?.type !== 'null');
  const layersOf = variants.length === 1 ? [...allOf, ...variants] : allOf;
  const parts = layersOf.map((part) => plain(part, seen));
  if ($ref && !seen.includes($ref)) {
    parts.push({ ...plain(lookup($ref), [...seen, $ref]), name: $ref.split('/').pop() });
  }
  const layers = [...parts, own];
  const node = Object.assign({}, ...layers);
  const properties = Object.assign({}, ...layers.map((layer) => layer.properties));
  const isMap = node.additionalProperties instanceof Object;
  const isObject = isMap || Object.keys(properties).length > 0;
  const types = [node.type ?? (isObject ? 'object' : node.items ? 'array' : [])].flat();
  const isNullable = types.includes('null') || variants.length < options.length;
  return {
    ...node, properties, isMap,
    types: types.filter((type) => type !== 'null'),
    nullable: isNullable || parts.some((part) => part.nullable),
    name: parts.length === 1 ? parts[0].name : undefined,
    required: layers.flatMap((layer) => layer.required ?? []),
    variants: [...parts.flatMap((part) => part.variants), ...(variants.length > 1 ? variants : [])],
    refs: [...parts.flatMap((part) => part.refs), ...($ref ? [$ref] : [])],
  };
}

const endsAt = (node, trail) =>
  trail.length >= MAX_REFERENCES || node.refs.some((ref) => trail.includes(ref));

function typeName(schema, trail = []) {
  const node = plain(schema);
  if (endsAt(node, trail)) return node.name ?? '…';
  const inner = [...trail, ...node.refs];
  const within = (part) => typeName(part, inner).replace(/.* \| .*/, '($&)');
  const nameOf = (type) => {
    if (type === 'array') return `array of ${within(node.items)}`;
    if (type === 'object' && node.isMap) return `map of ${within(node.additionalProperties)}`;
    if (type === 'object') return node.name ?? node.title ?? type;
    return node.format ? `${type} (${node.format})` : type;
  };
  const names = node.variants.length
    ? node.variants.map((variant) => typeName(variant, inner)) : node.types.map(nameOf);
  return [...new Set(node.nullable ? [...names, 'null'] : names)].join(' | ') || 'any';
}

function constraints(schema, prefix = '') {
  const node = plain(schema);
  const codes = (key) => [node[key]].flat().map((value) => [el('code', {}, show(value)), ' ']);
  const limits = Object.keys(LIMITS).filter((key) => node[key] !== undefined)
    .map((key) => el('div', {}, `${prefix}${LIMITS[key]} `, codes(key)));
  const flags = Object.keys(FLAGS).filter((key) => node[key] === true)
    .map((key) => el('div', {}, prefix + FLAGS[key]));
  const isClosed = node.additionalProperties === false;
  return [
    limits, flags, isClosed && el('div', {}, `${prefix}no other fields`),
    node.items && !prefix && constraints(node.items, 'each: '),
  ];
}

function sample(schema, trail = []) {
  const node = plain(schema);
  const given = node.example ?? node.examples?.[0] ?? node.const ?? node.default ?? node.enum?.[0];
  if (given !== undefined || endsAt(node, trail)) return given;
  const inner = [...trail, ...node.refs];
  const fields = Object.entries(node.properties)
    .map(([name, field]) => [name, sample(field, inner)]);
  if (node.isMap) fields.push(['key', sample(node.additionalProperties, inner)]);
  if (node.variants.length) {
    const variant = sample(node.variants[0], inner);
    return fields.length ? { ...Object.fromEntries(fields), ...variant } : variant;
  }
  switch (node.types[0]) {
    case 'object': return Object.fromEntries(fields);
    case 'array': return [sample(node.items, inner)].filter((item) => item !== undefined);
    case 'string': return SAMPLES[node.format] ?? 'string';
    case 'integer': case 'number': return node.minimum ?? 0;
    case 'boolean': return true;
    default: return null;
  }
}

const exampleOf = (holder) =>
  holder.example ?? deref(Object.values(holder.examples ?? {})[0]).value;

function bodyText(type, media) {
  const value = exampleOf(media) ?? sample(media.schema);
  if (type === FORM) {
    const isText = typeof value === 'string';
    const fields = isText ? [...new URLSearchParams(value)] : Object.entries(Object(value));
    return fields.map(([name, field]) => `${name}=${field ?? ''}`).join('\n');
  }
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2) ?? '';
}

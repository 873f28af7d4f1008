/**
 * `bellhop.enqueue` and `bellhop.cancel`: SQL functions by which an application gives and takes back a task in a
 * transaction of its own. They belong to a release and not to a schema: an API that starts replaces those of an earlier one.
 */
import { createHash } from "node:crypto";
import type { JsonObject } from "../../json.ts";
import { ADVISORY_LOCKS } from "../advisory-locks.ts";
import type { Store } from "../database.ts";
import { inTransaction, type Transaction } from "../transaction.ts";

/** May call the two functions, and nothing else. */
export const CLIENT_ROLE = "bellhop_client";

const MAX_TASK_BYTES = 2_000_000;

/**
 * The functions run with their owner's rights. Where an application may create in the schema of the tables, a function of
 * its own there that fits a call better than PostgreSQL's would be called in its place: the tables are named in full.
 */
const SEARCH_PATH = "pg_catalog, pg_temp";

/** What is wrong with `value` by a JSON Schema, or null: as far as a schema says it. Where is told by `path`. */
const FIND_FAULT = `
  CREATE OR REPLACE FUNCTION bellhop.find_fault(schema jsonb, value jsonb, path text) RETURNS text
  LANGUAGE plpgsql IMMUTABLE SET search_path = ${SEARCH_PATH} AS $function$
  DECLARE
    kind text := jsonb_typeof(value);
    wanted jsonb := CASE jsonb_typeof(schema -> 'type') WHEN 'array' THEN schema -> 'type'
      WHEN 'string' THEN jsonb_build_array(schema -> 'type') END;
    place text := CASE WHEN path = '' THEN 'the task' ELSE path END;
    inner_path text := CASE WHEN path = '' THEN '' ELSE path || '.' END;
    content text;
    fault text;
    alone_fault text;
    option jsonb;
    field text;
    member jsonb;
    position bigint;
    is_match boolean;
  BEGIN
    IF schema ? 'const' AND schema -> 'const' IS DISTINCT FROM value THEN
      RETURN format('%s: must be %s', place, schema -> 'const');
    END IF;
    IF schema ? 'enum' AND NOT schema -> 'enum' @> jsonb_build_array(value) THEN
      RETURN format('%s: must be one of %s', place, schema -> 'enum');
    END IF;
    IF wanted IS NOT NULL AND NOT wanted ? kind
      AND NOT (kind = 'number' AND wanted ? 'integer' AND (value #>> '{}')::numeric % 1 = 0) THEN
      RETURN format('%s: must be %s', place, (SELECT string_agg(w, ' or ') FROM jsonb_array_elements_text(wanted) AS w));
    END IF;
    IF schema ?| ARRAY['oneOf', 'anyOf'] THEN
      is_match := false;
      -- Options of options are options.
      FOR option IN WITH RECURSIVE o(s) AS (
        SELECT e FROM jsonb_array_elements(coalesce(schema -> 'oneOf', schema -> 'anyOf')) AS e
        UNION ALL
        SELECT e FROM o, jsonb_array_elements(coalesce(o.s -> 'oneOf', o.s -> 'anyOf')) AS e
      ) SELECT s FROM o WHERE NOT s ?| ARRAY['oneOf', 'anyOf'] LOOP
        fault := bellhop.find_fault(option, value, path);
        is_match := fault IS NULL;
        EXIT WHEN is_match;
        IF option ->> 'type' IS DISTINCT FROM kind THEN CONTINUE; END IF;
        -- The one that was meant has the value of what tells the options apart, where something does.
        SELECT bool_and(rule -> 'const' = value -> name) INTO is_match
        FROM jsonb_each(coalesce(option -> 'properties', '{}')) AS p(name, rule) WHERE rule ? 'const';
        IF is_match OR is_match IS NULL AND alone_fault IS NULL THEN
          alone_fault := fault;
          EXIT WHEN is_match;
        END IF;
      END LOOP;
      IF fault IS NOT NULL THEN
        RETURN coalesce(alone_fault, format('%s: is not of a known form', place));
      END IF;
    END IF;
    IF kind = 'object' THEN
      FOR field IN SELECT jsonb_array_elements_text(coalesce(schema -> 'required', '[]')) LOOP
        IF NOT value ? field THEN
          RETURN format('%s%s: is needed', inner_path, field);
        END IF;
      END LOOP;
      FOR field, member IN SELECT * FROM jsonb_each(value) LOOP
        fault := NULL;
        IF schema -> 'propertyNames' ? 'pattern' THEN
          fault := bellhop.find_fault(schema -> 'propertyNames', to_jsonb(field), inner_path || field);
        END IF;
        IF fault IS NOT NULL THEN
          RETURN fault;
        ELSIF schema -> 'properties' ? field THEN
          fault := bellhop.find_fault(schema -> 'properties' -> field, member, inner_path || field);
        ELSIF schema -> 'additionalProperties' = 'false' THEN
          fault := format('%s%s: unknown field', inner_path, field);
        ELSIF jsonb_typeof(schema -> 'additionalProperties') = 'object' THEN
          fault := bellhop.find_fault(schema -> 'additionalProperties', member, inner_path || field);
        END IF;
        IF fault IS NOT NULL THEN
          RETURN fault;
        END IF;
      END LOOP;
    ELSIF kind = 'array' THEN
      IF jsonb_array_length(value) < (schema ->> 'minItems')::int THEN
        RETURN format('%s: must have at least %s', place, schema ->> 'minItems');
      ELSIF jsonb_array_length(value) > (schema ->> 'maxItems')::int THEN
        RETURN format('%s: must have at most %s', place, schema ->> 'maxItems');
      ELSIF schema ? 'items' THEN
        FOR member, position IN SELECT m, p - 1 FROM jsonb_array_elements(value) WITH ORDINALITY AS e(m, p) LOOP
          fault := bellhop.find_fault(schema -> 'items', member, format('%s%s', inner_path, position));
          IF fault IS NOT NULL THEN
            RETURN fault;
          END IF;
        END LOOP;
      END IF;
    ELSIF kind = 'string' THEN
      content := value #>> '{}';
      IF length(content) < (schema ->> 'minLength')::int THEN
        RETURN format('%s: must have at least %s characters', place, schema ->> 'minLength');
      ELSIF length(content) > (schema ->> 'maxLength')::int THEN
        RETURN format('%s: must have at most %s characters', place, schema ->> 'maxLength');
      ELSIF schema ? 'pattern' THEN
        BEGIN
          is_match := content ~ (schema ->> 'pattern');
        EXCEPTION WHEN invalid_regular_expression THEN
          -- JavaScript's, and not PostgreSQL's: the API looks at it.
          is_match := true;
        END;
        IF NOT is_match THEN
          RETURN format('%s: does not look right', place)
            || coalesce(': ' || (schema ->> 'description'), '');
        END IF;
      END IF;
    ELSIF kind = 'number' THEN
      IF (value #>> '{}')::numeric < (schema ->> 'minimum')::numeric THEN
        RETURN format('%s: must be at least %s', place, schema ->> 'minimum');
      ELSIF (value #>> '{}')::numeric > (schema ->> 'maximum')::numeric THEN
        RETURN format('%s: must be at most %s', place, schema ->> 'maximum');
      END IF;
    END IF;
    RETURN NULL;
  END $function$`;

/** Whoever logged in may use `default`, or, where the operator gave it namespaces (`enqueue_roles`), those and no other. */
const findNamespace = (tables: string) => `
  CREATE OR REPLACE FUNCTION bellhop.find_namespace(namespace text) RETURNS uuid
  LANGUAGE plpgsql STABLE SET search_path = ${SEARCH_PATH} AS $function$
  DECLARE
    found uuid := (SELECT n.id FROM ${tables}.namespaces n WHERE n.name = find_namespace.namespace AND n.closed_at IS NULL);
    is_bound boolean := EXISTS (SELECT FROM ${tables}.enqueue_roles r WHERE r.role = session_user);
  BEGIN
    IF found IS NULL OR NOT is_bound AND find_namespace.namespace <> 'default'
      OR is_bound AND NOT EXISTS (
        SELECT FROM ${tables}.enqueue_roles r WHERE r.role = session_user AND r.namespace_id = found) THEN
      RAISE EXCEPTION '% may not use the namespace %', session_user, find_namespace.namespace
        USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN found;
  END $function$`;

/** A UUIDv7, as every id of ours. */
const NEW_ID = `encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid`;

const enqueue = (tables: string) => `
  CREATE OR REPLACE FUNCTION bellhop.enqueue(task json, namespace text DEFAULT 'default') RETURNS uuid
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${SEARCH_PATH} AS $function$
  DECLARE
    owner_id uuid := bellhop.find_namespace(namespace);
    new_id uuid := ${NEW_ID};
    fault text;
  BEGIN
    IF task IS NULL OR octet_length(task::text) > ${MAX_TASK_BYTES} THEN
      RAISE EXCEPTION 'a task is JSON of at most ${MAX_TASK_BYTES} bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    fault := bellhop.find_fault((SELECT c.task_schema FROM ${tables}.enqueue_contract c), task::jsonb, '');
    IF fault IS NOT NULL THEN
      RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value',
        HINT = 'The task is what POST /v1/tasks takes.';
    END IF;
    INSERT INTO ${tables}.enqueued_tasks (task_id, namespace_id, action, task, enqueued_by)
    VALUES (new_id, owner_id, 'enqueue', enqueue.task, session_user);
    PERFORM pg_notify('bellhop_enqueued', '');
    RETURN new_id;
  END $function$`;

const cancel = (tables: string) => `
  CREATE OR REPLACE FUNCTION bellhop.cancel(task text, namespace text DEFAULT 'default') RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${SEARCH_PATH} AS $function$
  DECLARE
    owner_id uuid := bellhop.find_namespace(namespace);
    wanted_id uuid := CASE WHEN task ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN task::uuid END;
  BEGIN
    -- Nobody has made it yet: it never will be.
    DELETE FROM ${tables}.enqueued_tasks e WHERE e.namespace_id = owner_id AND e.action = 'enqueue' AND e.refused_at IS NULL
      AND (e.task_id = wanted_id OR wanted_id IS NULL AND e.task ->> 'key' = cancel.task);
    IF FOUND THEN
      RETURN true;
    END IF;
    -- One without a further occurrence is over with its last run (hasOpenRun in tasks/filter.ts).
    SELECT t.id INTO wanted_id FROM ${tables}.tasks t WHERE t.namespace_id = owner_id AND t.removed_at IS NULL
      AND (t.state IN ('active', 'paused') OR t.state = 'completed' AND EXISTS (
        SELECT FROM ${tables}.task_runs_open o WHERE o.task_id = t.id AND o.state <> 'dead'))
      AND (t.id = wanted_id OR wanted_id IS NULL AND t.key = cancel.task);
    IF NOT FOUND THEN
      RETURN false;
    END IF;
    INSERT INTO ${tables}.enqueued_tasks (task_id, namespace_id, action, enqueued_by)
    VALUES (wanted_id, owner_id, 'cancel', session_user);
    PERFORM pg_notify('bellhop_enqueued', '');
    RETURN true;
  END $function$`;

const MAKE_SCHEMA = "CREATE SCHEMA IF NOT EXISTS bellhop";

/**
 * A search path begins with the schema of the role's own name, where there is one: a role `bellhop` would make its next
 * tables among these functions.
 */
const keepTablesIn = (tables: string) => `
  DO $do$ BEGIN
    IF current_user = 'bellhop' AND '${tables}' <> 'bellhop' THEN
      EXECUTE format('ALTER ROLE bellhop IN DATABASE %I SET search_path TO ${tables}', current_database());
      SET search_path TO ${tables};
    END IF;
  END $do$`;

/** Roles are the server's: those of a managed one may not be made by us, and another database may make it right now. */
const MAKE_CLIENT_ROLE = `
  DO $do$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${CLIENT_ROLE}') THEN
      CREATE ROLE ${CLIENT_ROLE} NOLOGIN;
    END IF;
  EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
  END $do$`;

const GRANT = `
  DO $do$ BEGIN
    REVOKE ALL ON FUNCTION bellhop.enqueue(json, text), bellhop.cancel(text, text),
      bellhop.find_fault(jsonb, jsonb, text), bellhop.find_namespace(text) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${CLIENT_ROLE}') THEN
      GRANT USAGE ON SCHEMA bellhop TO ${CLIENT_ROLE};
      GRANT EXECUTE ON FUNCTION bellhop.enqueue(json, text), bellhop.cancel(text, text) TO ${CLIENT_ROLE};
    END IF;
  END $do$`;

export interface EnqueueContract {
  /** Of releases the later one sorts last: its newest migration. */
  release: string;
  /** The JSON Schema of a new task. */
  taskSchema: JsonObject;
}

/** `installed`; `kept`: those of this release or a later one stand; `forbidden`: we may not make a schema or functions. */
export type Installed = "installed" | "kept" | "forbidden";

/** Puts the functions there, and what they hold a task against, where an earlier release's stand or none. */
export async function installSqlFunctions(store: Store, contract: EnqueueContract): Promise<Installed> {
  try {
    return await inTransaction(store.pool, (tx) => install(tx, contract));
  } catch (error) {
    if ((error as { code?: string }).code === INSUFFICIENT_PRIVILEGE) return "forbidden";
    throw error;
  }
}

const INSUFFICIENT_PRIVILEGE = "42501";

async function install({ pool }: Transaction, { release, taskSchema }: EnqueueContract): Promise<Installed> {
  await pool.query("SELECT pg_advisory_xact_lock($1)", [ADVISORY_LOCKS.installSqlFunctions]);
  const { rows } = await pool.query<{ tables: string }>(
    "SELECT relnamespace::regnamespace::text AS tables FROM pg_class WHERE oid = 'enqueued_tasks'::regclass",
  );
  const { tables } = rows[0]!;
  const functions = [FIND_FAULT, findNamespace(tables), enqueue(tables), cancel(tables)];
  const schemaText = JSON.stringify(taskSchema);
  const hash = createHash("sha256")
    .update(JSON.stringify([functions, schemaText]))
    .digest("hex");
  const { rowCount: standing } = await pool.query(
    `SELECT FROM enqueue_contract WHERE (release > $1 OR (release = $1 AND hash = $2))
       AND to_regprocedure('bellhop.enqueue(json, text)') IS NOT NULL`,
    [release, hash],
  );
  if (standing === 1) return "kept";
  for (const statement of [keepTablesIn(tables), MAKE_SCHEMA, ...functions, MAKE_CLIENT_ROLE, GRANT])
    await pool.query(statement);
  await pool.query(
    `INSERT INTO enqueue_contract (release, hash, task_schema) VALUES ($1, $2, $3)
     ON CONFLICT (is_only) DO UPDATE SET release = $1, hash = $2, task_schema = $3`,
    [release, hash, schemaText],
  );
  return "installed";
}

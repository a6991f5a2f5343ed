-- Partitions are made by one process at a time, never far ahead of the log, and without holding up commits; and replicas remember the
-- rules of their own configuration file.

-- Creates the partitions that hold the indexes from the head's up to below `up_to`, 2^22 entries each. Older ones may have been pruned.
-- Replicas that come at once take turns by an advisory lock. The head's own partition and the three after it are as many as are ever
-- needed: a caller that asks for more has read a wrong size, and would fill the catalog with empty tables.
CREATE OR REPLACE FUNCTION ledger_ensure_partitions(up_to bigint) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  width CONSTANT bigint := 4194304;
  most CONSTANT bigint := 4;
  head bigint;
  part bigint;
  parent text;
BEGIN
  -- "mca-part" in ASCII. Held until the transaction ends: who waited sees what the other has made.
  PERFORM pg_advisory_xact_lock(7882250620615357044);
  SELECT coalesce(max(size), 0) / width INTO head FROM public.ledger_head;
  IF up_to > (head + most) * width THEN
    RAISE EXCEPTION 'partitions up to index % were asked for, and the log has not reached %', up_to, (head + 1) * width
      USING ERRCODE = 'MC002', HINT = 'At most four partitions are made ahead. The caller does not know where the log ends.';
  END IF;
  FOR part IN head .. (greatest(up_to, 1) - 1) / width LOOP
    FOREACH parent IN ARRAY ARRAY['ledger_entry', 'issuance', 'outcome'] LOOP
      IF to_regclass(format('public.%I', parent || '_p' || part)) IS NULL THEN
        -- Made apart and then attached: that waits for no reader. CREATE TABLE ... PARTITION OF asks for the whole table to itself, and
        -- behind a pg_dump of hours every commit would queue up.
        EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', parent || '_p' || part, parent);
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)',
          parent, parent || '_p' || part, part * width, (part + 1) * width);
      END IF;
    END LOOP;
  END LOOP;
END $$;

-- Which rules each replica's configuration file had when it last started: a replica whose file did not change since then never replaces
-- what another one has brought meanwhile.
CREATE TABLE rule_file (
  replica      smallint PRIMARY KEY CHECK (replica BETWEEN 1 AND 127),
  config_hash  bytea NOT NULL,
  loaded_at    timestamptz NOT NULL
);
GRANT SELECT ON rule_file TO mesh_ca_app, mesh_ca_audit;
GRANT INSERT, UPDATE ON rule_file TO mesh_ca_app;

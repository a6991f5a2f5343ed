--! breaking
-- Three indexes and a row less for each issuance. What an index by authority and one by lineage told is told by rows that are there anyway;
-- outcomes are recorded by the run and not one by one. Programs of before would find neither: they are refused, and one that still runs
-- cannot commit any more (it does not know ledger_span.authorities).

-- A run of consecutive issuances whose outcomes are told by one entry: from log_index to last_index, within one block of ledger_span. Null:
-- log_index alone, as all were before. Runs do not overlap; the statement that adds one looks.
ALTER TABLE outcome
  ADD COLUMN last_index bigint,
  ADD CONSTRAINT outcome_run CHECK (last_index >= log_index AND last_index >> 12 = log_index >> 12);

-- Who signed what is in a block: each authority that has an issuance there is named, and rarely one that has none.
ALTER TABLE ledger_span ADD COLUMN authorities bytea[];
UPDATE ledger_span span SET authorities = found.authorities
FROM (SELECT log_index >> 12 AS block, array_agg(DISTINCT authority) AS authorities FROM issuance GROUP BY 1) found
WHERE found.block = span.block;
UPDATE ledger_span SET authorities = '{}' WHERE authorities IS NULL;
ALTER TABLE ledger_span ALTER COLUMN authorities SET NOT NULL;

-- By authority: through ledger_span. By lineage: all of a lineage has one SPIFFE ID, so that its index serves.
DROP INDEX issuance_authority;
DROP INDEX issuance_lineage;

-- The same as before (0004), and entries lie in their row as they are up to a page's size. Compressing an entry of outcomes, which is mostly
-- signatures, costs more than the few bytes are worth.
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
        IF parent = 'ledger_entry' THEN
          EXECUTE format('ALTER TABLE public.%I SET (toast_tuple_target = 8160)', parent || '_p' || part);
        END IF;
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)',
          parent, parent || '_p' || part, part * width, (part + 1) * width);
      END IF;
    END LOOP;
  END LOOP;
END $$;

DO $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'public.ledger_entry'::regclass LOOP
    EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', part);
  END LOOP;
END $$;

-- The groups that a person was in at the last sign-in (a JSON array, or too_many; null: nothing was said), and their roles.
ALTER TABLE dcr_users ADD COLUMN member_of TEXT;
ALTER TABLE dcr_users ADD COLUMN roles TEXT;

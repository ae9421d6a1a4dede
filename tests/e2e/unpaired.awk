# How many deaths have no birth before them; after events.awk.
$1 ~ /:birth:$/ { born[field("p")]++ }
$1 ~ /:death:$/ { if (!born[field("p")]--) n++ }
END { print n + 0 }

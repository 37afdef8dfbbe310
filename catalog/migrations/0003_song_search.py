"""The full-text search of songs, kept right by triggers: also admin edits and bulk updates pass through them.

Title weighs most, then artist, album and genre. The tables are a frozen copy of those in `catalog.search`, and a test
holds the two to each other: lower() knows only ASCII in a database with the C locale.
"""

from django.db import migrations

UPPER = (
    "ÆÐØÞĐĦŁŊŒŦƁƂƄƆƇƉƊƋƎƏƐƑƓƔƖƗƘƜƝƟƢƤƦƧƩƬƮƱƲƳƵƷƸƼǤǶǷȜȠȢȤȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩϏϘϚϜϞϠϢϤ"
    "ϦϨϪϬϮϷϺϽϾϿЂЄЅІЈЉЊЋЏАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮѰѲѴѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӃӅӇӉӋӍ"
    "ӔӘӠӨӶӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽ"
    "ႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲐᲑᲒᲓ"
    "ᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽᲾᲿẞỺỼỾ"
)
LOWER = (
    "æðøþđħłŋœŧɓƃƅɔƈɖɗƌǝəɛƒɠɣɩɨƙɯɲɵƣƥʀƨʃƭʈʊʋƴƶʒƹƽǥƕƿȝƞȣȥⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳαβγδεζηθικλμνξοπρστυφχψωϗϙϛϝϟϡϣϥ"
    "ϧϩϫϭϯϸϻͻͼͽђєѕіјљњћџабвгдежзиклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯѱѳѵѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӄӆӈӊӌӎ"
    "ӕәӡөӷӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝ"
    "ⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽაბგდ"
    "ევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽჾჿßỻỽỿ"
)
DROPPED = "'’‘`´"
SEPARATORS = '"#$%&()*+,-./:;<=>?@[\\]^_{|}~!–—…·•“”„«»¿¡‐‑'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# Only the constants above are put into the statement.
CREATE = f"""
CREATE FUNCTION catalog_search_fold(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $fold$
    SELECT translate(
        translate(
            lower(regexp_replace(normalize(coalesce(value, ''), NFKD), '[\\u0300-\\u036f]', '', 'g') COLLATE "C"),
            {_quoted(UPPER + SEPARATORS)},
            {_quoted(LOWER + " " * len(SEPARATORS))}
        ),
        {_quoted(DROPPED)}, ''
    )
$fold$;

CREATE FUNCTION catalog_song_search() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
    NEW.search :=
        setweight(to_tsvector('simple', catalog_search_fold(NEW.title)), 'A') ||
        setweight(to_tsvector('simple', catalog_search_fold(
            (SELECT name FROM catalog_artist WHERE id = NEW.artist_id))), 'B') ||
        setweight(to_tsvector('simple', catalog_search_fold(
            (SELECT title FROM catalog_album WHERE id = NEW.album_id))), 'C') ||
        setweight(to_tsvector('simple', catalog_search_fold(NEW.genre)), 'D');
    RETURN NEW;
END
$trigger$;

CREATE TRIGGER catalog_song_search BEFORE INSERT OR UPDATE OF title, artist_id, album_id, genre ON catalog_song
    FOR EACH ROW EXECUTE FUNCTION catalog_song_search();

-- A new name rewrites the songs' titles with themselves, which fires the trigger above.
CREATE FUNCTION catalog_artist_renamed() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
    UPDATE catalog_song SET title = title WHERE artist_id = NEW.id;
    RETURN NULL;
END
$trigger$;

CREATE TRIGGER catalog_artist_renamed AFTER UPDATE OF name ON catalog_artist
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION catalog_artist_renamed();

CREATE FUNCTION catalog_album_renamed() RETURNS trigger LANGUAGE plpgsql AS $trigger$
BEGIN
    UPDATE catalog_song SET title = title WHERE album_id = NEW.id;
    RETURN NULL;
END
$trigger$;

CREATE TRIGGER catalog_album_renamed AFTER UPDATE OF title ON catalog_album
    FOR EACH ROW WHEN (OLD.title IS DISTINCT FROM NEW.title) EXECUTE FUNCTION catalog_album_renamed();

UPDATE catalog_song SET title = title;
"""  # noqa: S608

DROP = """
DROP TRIGGER catalog_album_renamed ON catalog_album;
DROP FUNCTION catalog_album_renamed();
DROP TRIGGER catalog_artist_renamed ON catalog_artist;
DROP FUNCTION catalog_artist_renamed();
DROP TRIGGER catalog_song_search ON catalog_song;
DROP FUNCTION catalog_song_search();
DROP FUNCTION catalog_search_fold(text);
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_curator_group")]

    operations = [migrations.RunSQL(CREATE, DROP)]
